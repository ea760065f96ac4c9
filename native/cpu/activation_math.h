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

/// x * sigmoid(x), the gate of SwiGLU.
ATHANOR_INLINE VecF silu(VecF x) { return x / (set1(1.0f) + exp(zero() - x)); }

}  // namespace athanor::cpu::ATHANOR_ISA
