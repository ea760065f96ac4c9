// The fused losses of native/ops on tensors of a GPU, from tensors to tensors.
#include <cmath>

#include "ops/linear.h"
#include "ops/loss.h"
#include "test/cuda/arrays.h"

namespace athanor::test {
namespace {

constexpr Device kDevice{DeviceType::kCuda};
constexpr int64_t kTokens = 13, kWidth = 24, kVocab = 40;

template <class T>
Tensor upload(Shape shape, const std::vector<T>& values) {
  Tensor out(shape, dtype_of<T>(), kDevice);
  out.write(values.data());
  return out;
}

template <class T>
std::vector<double> download(const Tensor& t) {
  const T* values = t.host<T>();
  return as_double(std::vector<T>(values, values + t.numel()));
}

/// A head's inputs, and the softmax of its logits in double precision.
template <class T>
struct Head {
  std::vector<T> x = as_type<T>(normals(kTokens * kWidth, 1));
  std::vector<float> weight = normals(kVocab * kWidth, 2, 0.3f);
  std::vector<int32_t> targets = integers(kTokens, kVocab, 3);

  Head() { targets[4] = -100; }
  double logit(size_t token, size_t word) const {
    double total = 0;
    for (size_t c = 0; c < kWidth; ++c) {
      total += to_float(x[token * kWidth + c]) * to_float(from_float<T>(weight[word * kWidth + c]));
    }
    return total;
  }
  std::vector<double> log_probs(size_t token) const {
    std::vector<double> out;
    double total = 0;
    for (size_t v = 0; v < kVocab; ++v) {
      out.push_back(logit(token, v));
      total += std::exp(out.back());
    }
    for (double& value : out) value -= std::log(total);
    return out;
  }

  Tensor x_tensor() const { return upload<T>({kTokens, kWidth}, x); }
  Tensor weight_tensor() const { return upload<float>({kVocab, kWidth}, weight); }
  Tensor target_tensor() const { return upload<int32_t>({kTokens}, targets); }

  /// dx and dweight where d logits[token] = factors[token] * (softmax - one-hot).
  void expect_gradients(const std::vector<double>& factors, const Tensor& dx, const Tensor& dweight) const {
    std::vector<double> x_reference(kTokens * kWidth), weight_reference(kVocab * kWidth);
    for (size_t t = 0; t < kTokens; ++t) {
      if (targets[t] < 0) continue;
      const std::vector<double> log_p = log_probs(t);
      for (size_t v = 0; v < kVocab; ++v) {
        const double one = v == static_cast<size_t>(targets[t]);
        const double gradient = factors[t] * (std::exp(log_p[v]) - one);
        for (size_t c = 0; c < kWidth; ++c) {
          x_reference[t * kWidth + c] += gradient * weight[v * kWidth + c];
          weight_reference[v * kWidth + c] += gradient * to_float(x[t * kWidth + c]);
        }
      }
    }
    // bf16 rounds the weight and each gradient of a logit as well as the result.
    EXPECT_CLOSE(download<T>(dx), x_reference, 2 * kTolerance<T>);
    EXPECT_CLOSE(download<float>(dweight), weight_reference, kTolerance<T>);
  }
};

TEST_BOTH_TYPES(fused_cross_entropy_works_on_device_tensors) {
  const Head<T> head;
  const std::vector<float> token_weights = normals(kTokens, 4);
  const auto [losses, loss, dx, dweight] =
      ops::linear_cross_entropy({.x = head.x_tensor(),
                                 .weight = head.weight_tensor(),
                                 .targets = head.target_tensor(),
                                 .token_weights = upload<float>({kTokens}, token_weights),
                                 .scale = 0.5,
                                 .need_gradient = true,
                                 .weight_frozen = false});
  std::vector<double> expected, factors;
  double total = 0;
  for (size_t t = 0; t < kTokens; ++t) {
    const bool is_ignored = head.targets[t] < 0;
    expected.push_back(is_ignored ? 0.0 : -head.log_probs(t)[static_cast<size_t>(head.targets[t])]);
    factors.push_back(0.5 * token_weights[t]);
    total += factors.back() * expected.back();
  }
  EXPECT_CLOSE(download<float>(losses), expected, 2e-6);
  EXPECT(std::fabs(loss - total) < 1e-5);
  head.expect_gradients(factors, *dx, *dweight);
}

TEST_BOTH_TYPES(fused_log_probabilities_work_on_device_tensors) {
  const Head<T> head;
  const Tensor x = head.x_tensor(), weight = head.weight_tensor(), targets = head.target_tensor();
  const auto [log_probs, entropies] = ops::linear_log_prob(x, weight, targets, 1.0);
  std::vector<double> expected, expected_entropies, factors;
  const std::vector<float> dlog_probs = normals(kTokens, 5);
  for (size_t t = 0; t < kTokens; ++t) {
    const std::vector<double> log_p = head.log_probs(t);
    const bool is_ignored = head.targets[t] < 0;
    expected.push_back(is_ignored ? 0.0 : log_p[static_cast<size_t>(head.targets[t])]);
    expected_entropies.push_back(0.0);
    for (double value : log_p) expected_entropies.back() -= is_ignored ? 0.0 : std::exp(value) * value;
    factors.push_back(-dlog_probs[t]);
  }
  EXPECT_CLOSE(download<float>(log_probs), expected, 2e-6);
  EXPECT_CLOSE(download<float>(entropies), expected_entropies, 2e-6);
  // Memory is NaN on the emulator until it is written: overwriting must not read it.
  const Tensor dweight({kVocab, kWidth}, DType::kF32, kDevice);
  const Tensor dx = ops::linear_log_prob_backward({.x = x,
                                                   .weight = weight,
                                                   .targets = targets,
                                                   .temperature = 1.0,
                                                   .dlog_probs = upload<float>({kTokens}, dlog_probs),
                                                   .dentropies = {},
                                                   .dweight = dweight,
                                                   .overwrite = true});
  head.expect_gradients(factors, dx, dweight);
}

TEST(a_written_weight_is_packed_anew_for_both_passes) {
  const Head<bf16> head;
  const Tensor x = head.x_tensor(), weight = head.weight_tensor();
  const Tensor before = std::get<0>(ops::linear_forward({.x = x, .weight = weight}));
  const void* panels = ops::packed_weight(weight, DType::kBF16, true);
  EXPECT(panels == ops::packed_weight(weight, DType::kBF16, false));
  std::vector<float> doubled = head.weight;
  for (float& value : doubled) value *= 2;
  weight.write(doubled.data());
  const Tensor after = std::get<0>(ops::linear_forward({.x = x, .weight = weight}));
  std::vector<double> expected = download<bf16>(before);
  for (double& value : expected) value *= 2;
  EXPECT_CLOSE(download<bf16>(after), expected, 0.0);
}

}  // namespace
}  // namespace athanor::test
