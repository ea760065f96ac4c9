// Activation functions on vectors, shared by the activation kernels and the GEMM's store.
#pragma once

#include "cpu/simd.h"

namespace athanor::cpu::ATHANOR_ISA {

constexpr float kGeluScale = 0.7978845608f;  // sqrt(2 / pi)
constexpr float kGeluCubic = 0.044715f;

/// 0.5 x (1 + tanh(u)), u = sqrt(2 / pi) (x + 0.044715 x^3) (Hendrycks and Gimpel, 2016). That is
/// x * sigmoid(2 u) = x / (1 + e^(-2 u)): one exponential instead of a tanh.
ATHANOR_INLINE VecF gelu_tanh(VecF x) {
  const VecF minus_u2 = x * fma(x * x, set1(-2.0f * kGeluScale * kGeluCubic), set1(-2.0f * kGeluScale));
  return x / (set1(1.0f) + exp(minus_u2));
}

/// Its derivative: s + x s (1 - s) du2/dx with s = sigmoid(2 u),
/// du2/dx = 2 sqrt(2 / pi) (1 + 3 * 0.044715 x^2).
ATHANOR_INLINE VecF gelu_tanh_slope(VecF x) {
  const VecF square = x * x;
  const VecF s = sigmoid(x * fma(square, set1(2.0f * kGeluScale * kGeluCubic), set1(2.0f * kGeluScale)));
  const VecF du = fma(square, set1(6.0f * kGeluScale * kGeluCubic), set1(2.0f * kGeluScale));
  return fma(x * du, s * (set1(1.0f) - s), s);
}

/// The normal distribution's cumulative function, with erfc by Abramowitz and Stegun (1964),
/// 7.1.26, which errs by at most 1.5e-7.
ATHANOR_INLINE VecF normal_below(VecF x) {
  const VecF z = x * set1(0.70710678f), size = z < zero() ? zero() - z : z;
  const VecF t = set1(1.0f) / fma(size, set1(0.3275911f), set1(1.0f));
  VecF sum = fma(t, set1(1.061405429f), set1(-1.453152027f));
  sum = fma(sum, t, set1(1.421413741f));
  sum = fma(sum, t, set1(-0.284496736f));
  sum = fma(sum, t, set1(0.254829592f));
  const VecF tail = sum * t * exp(zero() - size * size) * set1(0.5f);
  return x < zero() ? tail : set1(1.0f) - tail;
}

/// x times the normal distribution's cumulative function.
ATHANOR_INLINE VecF gelu_erf(VecF x) { return x * normal_below(x); }

/// Its derivative: that function, plus x times its density.
ATHANOR_INLINE VecF gelu_erf_slope(VecF x) {
  return fma(x * set1(0.39894228f), exp(x * x * set1(-0.5f)), normal_below(x));
}

/// x * sigmoid(x), the gate of SwiGLU.
ATHANOR_INLINE VecF silu(VecF x) { return x / (set1(1.0f) + exp(zero() - x)); }

}  // namespace athanor::cpu::ATHANOR_ISA
