// Optimizer contract: arithmetic is in f32; one call covers all tensors, so that small ones
// share a pass.
#pragma once

#include <cstdint>

#include "core/dtype.h"
#include "kernels/family.h"

namespace athanor {

/// Elements whose squares are summed together. Ranks that share a tensor split it at multiples.
constexpr int64_t kOptimizerChunk = 4096;

/// A tensor, or a run of its elements.
struct AdamwTensor {
  void* parameter;
  DType dtype;  // of the parameter: f32, or bf16 without a master
  const float* gradient;
  float* first;
  float* second;
  int64_t count;
  double weight_decay;
  int64_t place;  // among all tensors that train: a stream of rounding has this number
  int64_t begin;  // element of its tensor where these begin: a multiple of kOptimizerChunk
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
  /// A bf16 p is rounded by core/stochastic_rounding.h with the stream of (step, place), from
  /// element `begin` on.
  void (*adamw_step)(const AdamwTensor* tensors, int64_t count, const AdamwSettings& settings);
  /// The sum of squares of each chunk in f64, tensor after tensor. The last chunk of a tensor may
  /// be short. `sums` is host memory for all of them.
  void (*squares_by_chunk)(const FloatSpan* spans, int64_t count, double* sums);
};
ATHANOR_KERNEL_FAMILY(OptimizerKernels, optimizer_kernels)

}  // namespace athanor
