#include "kernels/loss.h"

#include <cmath>
#include <cstring>
#include <memory>

#include "test/cuda/arrays.h"

namespace athanor::test {
namespace {

constexpr int64_t kRowCount = 4;

struct Rows {
  Rows(DType dtype, int64_t size)
      : vocab(static_cast<size_t>(size)),
        logits(normals(kRowCount * vocab, 1, 3.0f)),
        targets(integers(kRowCount, static_cast<int32_t>(size), 2)) {
    targets[2] = -100;
    for (size_t c = 0; c < vocab; c += 3) logits[3 * vocab + c] = -200.0f;  // probabilities of 0
    logits_on_device.emplace_back(new DeviceArray<float>(logits));
    targets_on_device.emplace_back(new DeviceArray<int32_t>(targets));
    in = {*logits_on_device[0], *targets_on_device[0], kRowCount, size, dtype};
  }

  /// The row's log-probabilities at a temperature.
  std::vector<double> log_probs(size_t row, double inverse_temperature) const {
    double top = -INFINITY, total = 0;
    std::vector<double> out;
    for (size_t c = 0; c < vocab; ++c) {
      out.push_back(logits[row * vocab + c] * inverse_temperature);
      top = std::max(top, out.back());
    }
    for (double x : out) total += std::exp(x - top);
    for (double& x : out) x -= top + std::log(total);
    return out;
  }
  double entropy(size_t row, double inverse_temperature) const {
    double total = 0;
    for (double log_p : log_probs(row, inverse_temperature)) total -= std::exp(log_p) * log_p;
    return total;
  }

  /// Gradients, which lie where the logits did.
  template <class T>
  std::vector<double> gradients() const {
    const std::vector<float> memory = logits_on_device[0]->get();
    std::vector<double> out;
    for (size_t r = 0; r < kRowCount; ++r) {
      const T* row = reinterpret_cast<const T*>(memory.data() + r * vocab);
      for (size_t c = 0; c < vocab; ++c) {
        T element;
        std::memcpy(&element, row + c, sizeof element);
        out.push_back(to_float(element));
      }
    }
    return out;
  }

  size_t vocab;
  std::vector<float> logits;
  std::vector<int32_t> targets;
  std::vector<std::unique_ptr<DeviceArray<float>>> logits_on_device;
  std::vector<std::unique_ptr<DeviceArray<int32_t>>> targets_on_device;
  LossRows in;
};

// Rows of whole vectors, of none, and longer than one turn of a block in either case.
constexpr int64_t kVocabularies[] = {1, 40, 37, 2051, 8208};

TEST_BOTH_TYPES(cross_entropy_agrees) {
  for (int64_t vocab : kVocabularies) {
    const Rows alone(kType, vocab), rows(kType, vocab);
    const std::vector<float> scales = {0.5f, -2.0f, 1.0f, 0.25f};
    const DeviceArray<float> losses(kRowCount), losses_alone(kRowCount), scale(scales);
    cuda::loss_kernels().cross_entropy(alone.in, losses_alone, nullptr);
    cuda::loss_kernels().cross_entropy(rows.in, losses, scale);
    EXPECT(alone.logits_on_device[0]->get() == alone.logits);
    EXPECT(losses.get() == losses_alone.get());
    std::vector<double> expected, gradients;
    for (size_t r = 0; r < kRowCount; ++r) {
      const std::vector<double> log_p = rows.log_probs(r, 1.0);
      const bool is_ignored = rows.targets[r] < 0;
      const auto target = static_cast<size_t>(rows.targets[r]);
      expected.push_back(is_ignored ? 0.0 : -log_p[target]);
      for (size_t c = 0; c < rows.vocab; ++c) {
        gradients.push_back(is_ignored ? 0.0 : (std::exp(log_p[c]) - (c == target)) * scales[r]);
      }
    }
    EXPECT_CLOSE(losses.get(), expected, 1e-6);
    EXPECT_CLOSE(rows.gradients<T>(), gradients, kTolerance<T>);
  }
}

TEST(log_probabilities_and_entropies_agree) {
  for (int64_t vocab : kVocabularies) {
    for (float inverse_temperature : {1.0f, 0.7f, 40.0f}) {
      const Rows rows(DType::kF32, vocab);
      const DeviceArray<float> log_probs(kRowCount), entropies(kRowCount);
      cuda::loss_kernels().log_prob(rows.in, inverse_temperature, log_probs, entropies);
      std::vector<double> expected, expected_entropies;
      for (size_t r = 0; r < kRowCount; ++r) {
        const bool is_ignored = rows.targets[r] < 0;
        const std::vector<double> log_p = rows.log_probs(r, inverse_temperature);
        expected.push_back(is_ignored ? 0.0 : log_p[static_cast<size_t>(rows.targets[r])]);
        expected_entropies.push_back(is_ignored ? 0.0 : rows.entropy(r, inverse_temperature));
      }
      EXPECT_CLOSE(log_probs.get(), expected, 1e-6);
      // A log-probability is rounded as the logits are, so an entropy near 0 has an error
      // of that size.
      const std::vector<float> result = entropies.get();
      for (size_t r = 0; r < kRowCount; ++r) {
        const double rounding = 2e-7 * 12 * inverse_temperature;
        EXPECT(std::fabs(result[r] - expected_entropies[r]) <= rounding * (1 + expected_entropies[r]));
      }
    }
  }
}

TEST_BOTH_TYPES(log_probability_gradients_agree) {
  for (int64_t vocab : kVocabularies) {
    for (bool with_entropy : {false, true}) {
      constexpr float kInverse = 0.8f;
      const Rows rows(kType, vocab);
      const std::vector<float> dlog_probs = {1.5f, -0.5f, 1.0f, 2.0f}, dentropies = {0.5f, 0.0f, 1.0f, -0.3f};
      const DeviceArray<float> dlog(dlog_probs), dentropy(dentropies);
      cuda::loss_kernels().log_prob_backward(rows.in, kInverse, dlog,
                                             with_entropy ? static_cast<float*>(dentropy) : nullptr);
      std::vector<double> expected;
      for (size_t r = 0; r < kRowCount; ++r) {
        const std::vector<double> log_p = rows.log_probs(r, kInverse);
        const double entropy = rows.entropy(r, kInverse), weight = with_entropy ? dentropies[r] : 0.0;
        for (size_t c = 0; c < rows.vocab; ++c) {
          const double p = std::exp(log_p[c]), one = c == static_cast<size_t>(rows.targets[r]);
          const double gradient = dlog_probs[r] * (one - p) - weight * p * (log_p[c] + entropy);
          expected.push_back(rows.targets[r] < 0 ? 0.0 : gradient * kInverse);
        }
      }
      EXPECT_CLOSE(rows.gradients<T>(), expected, kTolerance<T>);
    }
  }
}

TEST(rows_that_are_no_distribution_are_not_finite) {
  for (float poison : {NAN, INFINITY}) {
    for (size_t at : {0, 500, 1029}) {
      std::vector<float> logits = normals(1030, 1);
      logits[at] = poison;
      const DeviceArray<float> row(logits), loss(1);
      const DeviceArray<int32_t> target(std::vector<int32_t>{7});
      cuda::loss_kernels().cross_entropy({row, target, 1, 1030, DType::kF32}, loss, nullptr);
      EXPECT(!std::isfinite(loss.get()[0]));
    }
  }
  const DeviceArray<float> row(std::vector<float>(64, -INFINITY)), loss(1);
  const DeviceArray<int32_t> target(std::vector<int32_t>{7});
  cuda::loss_kernels().cross_entropy({row, target, 1, 64, DType::kF32}, loss, nullptr);
  EXPECT(!std::isfinite(loss.get()[0]));
}

TEST(masked_logits_have_no_probability) {
  std::vector<float> logits(2050, -INFINITY);
  logits[2049] = 1.0f;
  logits[5] = 1.0f;
  const DeviceArray<float> row(logits), loss(1), scale(std::vector<float>{1.0f});
  const DeviceArray<int32_t> target(std::vector<int32_t>{5});
  cuda::loss_kernels().cross_entropy({row, target, 1, 2050, DType::kF32}, loss, scale);
  EXPECT(std::fabs(loss.get()[0] - std::log(2.0f)) < 1e-6f);
  std::vector<float> expected(2050, 0.0f);
  expected[5] = -0.5f;
  expected[2049] = 0.5f;
  EXPECT_CLOSE(row.get(), as_double(expected), 1e-6);
}

}  // namespace
}  // namespace athanor::test
