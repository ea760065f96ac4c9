// Embedding contract: indices are in range (the operation has checked), tables and their gradients are f32.
#pragma once

#include <cstdint>

#include "core/dtype.h"
#include "kernels/family.h"

namespace athanor {

struct EmbeddingKernels {
  /// y[n, channels] of dtype = token_table[tokens] + position_table[positions]; the latter two may be null
  /// together. Tables are of one dtype.
  void (*embedding_forward)(DType dtype, void* y, const int32_t* tokens, const int32_t* positions,
                            DType table_dtype, const void* token_table, const void* position_table,
                            int64_t rows, int64_t channels);
  /// table[indices[i]] += dy[i], in the order of i.
  void (*embedding_backward)(DType dtype, float* table, const void* dy, const int32_t* indices, int64_t rows,
                             int64_t channels);
};
ATHANOR_KERNEL_FAMILY(EmbeddingKernels, embedding_kernels)

}  // namespace athanor
