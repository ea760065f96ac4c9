// Softmax contract: over each row of [rows, channels] of `dtype`, in f32.
#pragma once

#include <cstdint>

#include "core/dtype.h"
#include "kernels/family.h"

namespace athanor {

struct SoftmaxKernels {
  /// y = exp(x - max(x)) / sum(exp(x - max(x)))
  void (*softmax_forward)(DType dtype, void* y, const void* x, int64_t rows, int64_t channels);
  /// dx = y * (dy - sum(dy * y))
  void (*softmax_backward)(DType dtype, void* dx, const void* dy, const void* y, int64_t rows,
                           int64_t channels);
};
ATHANOR_KERNEL_FAMILY(SoftmaxKernels, softmax_kernels)

}  // namespace athanor
