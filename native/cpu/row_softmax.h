// Log-sum-exp of one row in one fixed order. All kernels that turn logits into log-probabilities
// share it: a token's log-probability must have the same bits when it is sampled and when it is
// scored for training.
#pragma once

#include "cpu/loops.h"

namespace athanor::cpu::ATHANOR_ISA {

/// Largest element; NaN elements do not count, and -inf is the maximum of none.
template <class T>
ATHANOR_INLINE float row_max(const T* row, int64_t n) {
  constexpr float kLowest = -__builtin_inff();
  VecF a = set1(kLowest), b = a, c = a, d = a;
  int64_t i = 0;
  for (; i + 4 * kLanes <= n; i += 4 * kLanes) {
    a = max(load(row + i), a);
    b = max(load(row + i + kLanes), b);
    c = max(load(row + i + 2 * kLanes), c);
    d = max(load(row + i + 3 * kLanes), d);
  }
  for_lanes(i, n, [&](int64_t j, auto lanes) { a = max(load(row + j, lanes, kLowest), a); });
  return reduce_max(max(max(a, b), max(c, d)));
}

// Elements of a row summed in f32 lanes before the sum moves to f64, so that 50,000 terms
// lose no digits.
constexpr int64_t kSoftmaxBlock = 1024;

/// Sum of exp(row * inverse_temperature - shift); where `terms` is given it receives each of them.
ATHANOR_INLINE double row_sum_exp(const float* row, int64_t n, float inverse_temperature, float shift,
                                  float* terms = nullptr) {
  const VecF scale = set1(inverse_temperature);
  double total = 0.0;
  for (int64_t begin = 0; begin < n; begin += kSoftmaxBlock) {
    const int64_t end = smaller(n, begin + kSoftmaxBlock);
    total += reduce_add(sum_lanes(begin, end, [&](int64_t i, auto lanes) {
      const VecF term = exp(load(row + i, lanes, -__builtin_inff()) * scale - set1(shift));
      if (terms != nullptr) store(terms + i, term, lanes);
      return term;
    }));
  }
  return total;
}

/// log(sum(exp(row * inverse_temperature))), not finite where the row holds NaN or +inf or nothing
/// above -inf. inverse_temperature must be positive and finite.
ATHANOR_INLINE float row_log_sum_exp(const float* row, int64_t n, float inverse_temperature) {
  const float top = row_max(row, n) * inverse_temperature;
  return static_cast<float>(top + __builtin_log(row_sum_exp(row, n, inverse_temperature, top)));
}

/// The log-probability of an element, given the row's log_sum_exp.
ATHANOR_INLINE float log_probability(float logit, float inverse_temperature, float log_sum_exp) {
  return logit * inverse_temperature - log_sum_exp;
}

}  // namespace athanor::cpu::ATHANOR_ISA
