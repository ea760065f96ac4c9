// Normalisation contract. Activations are [rows, channels] of `dtype`; weight, bias, statistics and weight
// gradients are f32. `delta`, `bias`, `dsum` and `dbias` may be null.
#pragma once

#include <cstdint>

#include "core/dtype.h"
#include "kernels/family.h"

namespace athanor {

struct NormKernels {
  /// sum = x + delta rounded to dtype (only written where delta is given), then y = (sum - mean) * rstd *
  /// weight + bias, with the statistics of the rounded sum, so that a backward pass from `sum` sees the same
  /// values.
  void (*layer_norm_forward)(DType dtype, void* y, void* sum, float* mean, float* rstd, const void* x,
                             const void* delta, const float* weight, const float* bias, float eps,
                             int64_t rows, int64_t channels);
  /// dx = gradient through the norm + dsum; dweight and dbias are added to.
  void (*layer_norm_backward)(DType dtype, void* dx, float* dweight, float* dbias, const void* dy,
                              const void* dsum, const void* sum, const float* weight, const float* mean,
                              const float* rstd, int64_t rows, int64_t channels);
  /// y = sum * rstd * weight, rstd = 1 / sqrt(mean(sum^2) + eps).
  void (*rms_norm_forward)(DType dtype, void* y, void* sum, float* rstd, const void* x, const void* delta,
                           const float* weight, float eps, int64_t rows, int64_t channels);
  void (*rms_norm_backward)(DType dtype, void* dx, float* dweight, const void* dy, const void* dsum,
                            const void* sum, const float* weight, const float* rstd, int64_t rows,
                            int64_t channels);
};
ATHANOR_KERNEL_FAMILY(NormKernels, norm_kernels)

}  // namespace athanor
