// Rows contract: operations on matrices [rows, channels] by whole rows or columns. Indices
// are in range.
#pragma once

#include <cstdint>

#include "core/dtype.h"
#include "kernels/family.h"

namespace athanor {

struct RowsKernels {
  /// out[i] = x[indices[i]], rows of row_bytes bytes.
  void (*gather)(void* out, const void* x, const int32_t* indices, int64_t rows, int64_t row_bytes);
  /// target[indices[i]] += source[i], in the order of i.
  void (*scatter_add)(DType target_dtype, void* target, DType source_dtype, const void* source,
                      const int32_t* indices, int64_t rows, int64_t channels);
  /// out[c] = sum over rows of x[., c]: blocks of rows, then the blocks in order.
  void (*column_sum)(DType dtype, float* out, const void* x, int64_t rows, int64_t channels);
  /// out[channels, rows] = x[rows, channels] transposed, elements of 1, 2 or 4 bytes.
  void (*transpose)(void* out, const void* x, int64_t rows, int64_t channels, int64_t element_bytes);
};
ATHANOR_KERNEL_FAMILY(RowsKernels, rows_kernels)

}  // namespace athanor
