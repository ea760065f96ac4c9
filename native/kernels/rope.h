// Rotary positions, rotate-half convention: elements i and i + head_dim / 2 of a head form a pair.
#pragma once

#include <cstdint>

#include "core/dtype.h"
#include "kernels/family.h"

namespace athanor {

struct RopeKernels {
  /// Rotates the q and k heads of rows [tokens, row_width] in place by table[position], f32 [max_positions,
  /// head_dim]: head_dim / 2 cosines, then as many sines. `inverse` turns the other way, which is the
  /// gradient's way.
  void (*rotate)(DType dtype, void* rows, int64_t row_width, const int32_t* positions, const float* table,
                 int64_t tokens, int64_t rotated_heads, int64_t head_dim, bool inverse);
};
ATHANOR_KERNEL_FAMILY(RopeKernels, rope_kernels)

}  // namespace athanor
