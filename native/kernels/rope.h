// Rotary positions, rotate-half convention: elements i and i + width / 2 of a head form a pair. The
// elements of a head from `width` on are left as they are.
#pragma once

#include <cstdint>

#include "core/dtype.h"
#include "kernels/family.h"

namespace athanor {

struct RopeArgs {
  DType dtype;
  void* rows;                // [tokens, row_width], rotated in place
  const int32_t* positions;  // [tokens]
  const float* table;        // [max_positions, width]: width / 2 cosines, then as many sines
  int64_t tokens, row_width;
  int64_t heads, head_dim;  // the heads to rotate, those of q and of k, come first in a row
  int64_t width;            // of the rotated part of a head
  bool inverse;             // turns the other way, as gradients do
};

struct RopeKernels {
  void (*rotate)(const RopeArgs& args);
};
ATHANOR_KERNEL_FAMILY(RopeKernels, rope_kernels)

}  // namespace athanor
