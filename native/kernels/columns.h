// Moving some columns of a matrix.
#pragma once

#include <cstdint>

#include "kernels/family.h"

namespace athanor {

struct ColumnsKernels {
  /// Copies `width` bytes of each row; rows are `to_stride` and `from_stride` bytes apart. All
  /// three are multiples of 2.
  void (*copy)(void* to, int64_t to_stride, const void* from, int64_t from_stride, int64_t rows,
               int64_t width);
};
ATHANOR_KERNEL_FAMILY(ColumnsKernels, columns_kernels)

}  // namespace athanor
