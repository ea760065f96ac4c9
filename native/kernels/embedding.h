// Embedding contract: indices are in range (the operation has checked), tables and their
// gradients are f32.
#pragma once

#include <cstdint>

#include "core/dtype.h"
#include "kernels/family.h"

namespace athanor {

struct EmbeddingArgs {
  DType dtype;
  void* y;                   // [rows, channels] of dtype
  const int32_t* tokens;     // [rows]
  const int32_t* positions;  // [rows]; null: none
  DType table_dtype;         // of both tables
  const void* token_table;
  const void* position_table;  // null where positions is
  int64_t rows, channels;
};

struct EmbeddingKernels {
  /// y = token_table[tokens] + position_table[positions]
  void (*embedding_forward)(const EmbeddingArgs& args);
  /// table[indices[i]] += dy[i], in the order of i.
  void (*embedding_backward)(DType dtype, float* table, const void* dy, const int32_t* indices, int64_t rows,
                             int64_t channels);
};
ATHANOR_KERNEL_FAMILY(EmbeddingKernels, embedding_kernels)

}  // namespace athanor
