// A row is one task: its logits stay in L2 for all passes (200 KiB for a vocabulary of 50,304).
#include "kernels/loss.h"

#include "cpu/row_softmax.h"

namespace athanor::cpu::ATHANOR_ISA {
namespace {

// Stands for log p where p is 0: p log p is 0 there, but 0 * -inf would be NaN.
constexpr float kLowestLogProbability = -1e4f;

/// -sum(p log p), the terms summed in blocks as row_log_sum_exp's are.
ATHANOR_INLINE float row_entropy(const float* row, int64_t n, float inverse_temperature, float log_sum_exp) {
  const VecF scale = set1(inverse_temperature), shift = set1(log_sum_exp);
  double total = 0.0;
  for (int64_t begin = 0; begin < n; begin += kSoftmaxBlock) {
    total += reduce_add(sum_lanes(begin, smaller(n, begin + kSoftmaxBlock), [&](int64_t i, auto lanes) {
      const VecF log_p = load(row + i, lanes, -__builtin_inff()) * scale - shift;
      return exp(log_p) * max(log_p, set1(kLowestLogProbability));
    }));
  }
  return static_cast<float>(-total);
}

/// row[i] = f(row[i]) in place; bf16 results fill the first half of the row's memory. A vector is
/// read before its result is written, at the same place or before it.
template <class Function>
ATHANOR_INLINE void replace_row(DType dtype, float* row, int64_t n, Function f) {
  for_dtype(dtype, [&](auto type) {
    auto* out = reinterpret_cast<decltype(type)*>(row);
    for_lanes(0, n, [&](int64_t i, auto lanes) { store(out + i, f(load(row + i, lanes)), lanes); });
  });
}

ATHANOR_INLINE void set_element(DType dtype, float* row, int64_t i, float value) {
  for_dtype(dtype, [&](auto type) {
    using T = decltype(type);
    const T element = from_float<T>(value);
    std::memcpy(reinterpret_cast<T*>(row) + i, &element, sizeof element);
  });
}

void cross_entropy(const LossRows& in, float* losses, const float* row_scale) {
  parallel_for(in.rows, [&](int64_t r) {
    float* row = in.logits + r * in.vocab;
    const int32_t target = in.targets[r];
    losses[r] = 0.0f;
    if (target < 0) {
      if (row_scale) replace_row(in.dtype, row, in.vocab, [](VecF) { return zero(); });
      return;
    }
    const float log_sum_exp = row_log_sum_exp(row, in.vocab, 1.0f);
    const float log_p = log_probability(row[target], 1.0f, log_sum_exp);
    losses[r] = -log_p;
    if (row_scale == nullptr) return;
    const VecF shift = set1(log_sum_exp), scale = set1(row_scale[r]);
    replace_row(in.dtype, row, in.vocab, [=](VecF logits) { return exp(logits - shift) * scale; });
    set_element(in.dtype, row, target, (reduce_max(exp(set1(log_p))) - 1.0f) * row_scale[r]);
  });
}

void log_prob(const LossRows& in, float inverse_temperature, float* log_probs, float* entropies) {
  parallel_for(in.rows, [&](int64_t r) {
    const float* row = in.logits + r * in.vocab;
    const int32_t target = in.targets[r];
    log_probs[r] = 0.0f;
    entropies[r] = 0.0f;
    if (target < 0) return;
    const float log_sum_exp = row_log_sum_exp(row, in.vocab, inverse_temperature);
    log_probs[r] = log_probability(row[target], inverse_temperature, log_sum_exp);
    entropies[r] = row_entropy(row, in.vocab, inverse_temperature, log_sum_exp);
  });
}

/// With p the softmax of logits / temperature and H its entropy: d log p[t] = 1[t] - p, dH = -p
/// (log p + H).
void log_prob_backward(const LossRows& in, float inverse_temperature, const float* dlog_probs,
                       const float* dentropies) {
  parallel_for(in.rows, [&](int64_t r) {
    float* row = in.logits + r * in.vocab;
    const int32_t target = in.targets[r];
    if (target < 0) return replace_row(in.dtype, row, in.vocab, [](VecF) { return zero(); });
    const float log_sum_exp = row_log_sum_exp(row, in.vocab, inverse_temperature);
    const float dlog_prob = dlog_probs[r];
    const float dentropy = dentropies ? dentropies[r] : 0.0f;
    const float entropy =
        dentropy != 0.0f ? row_entropy(row, in.vocab, inverse_temperature, log_sum_exp) : 0.0f;
    const auto share = [=](VecF logits) {
      const VecF log_p = logits * set1(inverse_temperature) - set1(log_sum_exp);
      const VecF surprise = max(log_p, set1(kLowestLogProbability)) + set1(entropy);
      return exp(log_p) * fma(set1(dentropy), surprise, set1(dlog_prob));
    };
    const float at_target = dlog_prob - reduce_max(share(set1(row[target])));
    const VecF scale = set1(-inverse_temperature);
    replace_row(in.dtype, row, in.vocab, [=](VecF logits) { return share(logits) * scale; });
    set_element(in.dtype, row, target, at_target * inverse_temperature);
  });
}

}  // namespace

constinit const LossKernels loss_kernels_table =
    complete_table<LossKernels>(cross_entropy, log_prob, log_prob_backward);

}  // namespace athanor::cpu::ATHANOR_ISA
