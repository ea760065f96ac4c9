// Activation functions, shared by the activation kernels and the GEMM's epilogue.
#pragma once

#include "cuda/gpu.h"

namespace athanor::cuda {

constexpr float kGeluScale = 0.7978845608f;  // sqrt(2 / pi)
constexpr float kGeluCubic = 0.044715f;

/// 1 / (1 + e^-x). __expf errs by some units of 2^-21 relative to x, far below the
/// rounding of bf16.
__device__ __forceinline__ float sigmoid(float x) { return __fdividef(1.0f, 1.0f + __expf(-x)); }

/// 0.5 x (1 + tanh(u)) with u = sqrt(2 / pi) (x + 0.044715 x^3), which is x * sigmoid(2 u).
__device__ __forceinline__ float gelu_tanh(float x) {
  return x * sigmoid(2.0f * kGeluScale * x * (1.0f + kGeluCubic * x * x));
}

/// Its derivative: s + x s (1 - s) du2/dx with s = sigmoid(2 u).
__device__ __forceinline__ float gelu_tanh_slope(float x) {
  const float s = sigmoid(2.0f * kGeluScale * x * (1.0f + kGeluCubic * x * x));
  const float du = 2.0f * kGeluScale * (1.0f + 3.0f * kGeluCubic * x * x);
  return s + x * du * s * (1.0f - s);
}

/// The normal distribution's cumulative function.
__device__ __forceinline__ float normal_below(float x) { return 0.5f * erfcf(x * -0.70710678f); }

/// x times that function, and the derivative.
__device__ __forceinline__ float gelu_erf(float x) { return x * normal_below(x); }
__device__ __forceinline__ float gelu_erf_slope(float x) {
  return normal_below(x) + x * 0.39894228f * __expf(-0.5f * x * x);
}

}  // namespace athanor::cuda
