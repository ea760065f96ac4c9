// Optimizer contract: arithmetic is in f32; one call covers all tensors, so that small ones
// share a pass.
#pragma once

#include <cstdint>

#include "core/dtype.h"
#include "kernels/family.h"

namespace athanor {

struct AdamwTensor {
  void* parameter;
  DType dtype;  // of the parameter: f32, or bf16 without a master
  const float* gradient;
  float* first;
  float* second;
  int64_t count;
  double weight_decay;
};

struct AdamwSettings {
  double lr, beta1, beta2, eps, gradient_scale;
  int64_t step;  // from 1
  uint64_t seed;
};

struct FloatSpan {
  const void* data;
  int64_t count;
  DType dtype;
};

struct OptimizerKernels {
  /// g = gradient * gradient_scale; m += (1 - beta1)(g - m); v = beta2 v + (1 - beta2) g^2;
  /// p = p (1 - lr decay) - lr m / (1 - beta1^step) / (sqrt(v / (1 - beta2^step)) + eps).
  /// A bf16 p is rounded by core/stochastic_rounding.h: tensor i of the call takes the stream
  /// of (step, i).
  void (*adamw_step)(const AdamwTensor* tensors, int64_t count, const AdamwSettings& settings);
  /// Sum of squares over all tensors in f64: a chunk's in lanes, then the chunks in order.
  double (*sum_of_squares)(const FloatSpan* spans, int64_t count);
};
ATHANOR_KERNEL_FAMILY(OptimizerKernels, optimizer_kernels)

}  // namespace athanor
