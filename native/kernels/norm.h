// Normalisation contract. Activations are [rows, channels] of `dtype`; weight, bias and their
// gradients are f32 [channels], statistics f32 [rows].
#pragma once

#include <cstdint>

#include "core/dtype.h"
#include "kernels/family.h"

namespace athanor {

struct NormForwardArgs {
  DType dtype;
  void* y;
  void* sum;    // written only where delta is given
  float* mean;  // null for RMS norm
  float* rstd;
  const void* x;
  const void* delta;  // null: none
  const float* weight;
  const float* bias;  // null: none, as always for RMS norm
  float eps;
  int64_t rows, channels;
  float weight_offset = 0;  // of RMS norm: the gain is weight + weight_offset
};

struct NormBackwardArgs {
  DType dtype;
  void* dx;
  float* dweight;  // added to
  float* dbias;    // added to; null: not wanted
  const void* dy;
  const void* dsum;  // null: none
  const void* sum;
  const float* weight;
  const float* mean;  // null for RMS norm
  const float* rstd;
  int64_t rows, channels;
  float weight_offset = 0;
};

struct NormKernels {
  /// sum = x + delta, rounded to dtype, then y = (sum - mean) * rstd * weight + bias.
  /// The statistics are those of the rounded sum, so that a backward pass from `sum`
  /// sees the same values.
  void (*layer_norm_forward)(const NormForwardArgs& args);
  /// dx = gradient through the norm + dsum.
  void (*layer_norm_backward)(const NormBackwardArgs& args);
  /// y = sum * rstd * (weight + weight_offset), rstd = 1 / sqrt(mean(sum^2) + eps).
  void (*rms_norm_forward)(const NormForwardArgs& args);
  void (*rms_norm_backward)(const NormBackwardArgs& args);
};
ATHANOR_KERNEL_FAMILY(NormKernels, norm_kernels)

}  // namespace athanor
