// Sums over rows: each fixed block of rows has a partial row of its own, and the partial rows
// are added in order. The blocks depend on the number of rows alone, so the bits do not depend
// on the threads.
#pragma once

#include "cpu/loops.h"

namespace athanor::cpu::ATHANOR_ISA {

// Enough blocks to share among 64 threads; a block of 32 rows or more makes the partial rows at
// most 1/16 of the memory traffic.
constexpr int64_t kMaxSumBlocks = 64;
constexpr int64_t kMinSumBlockRows = 32;

ATHANOR_INLINE int64_t sum_block_rows(int64_t rows) {
  return larger(kMinSumBlockRows, ceil_divide(rows, kMaxSumBlocks));
}

/// target[c] += the sum of partial[b * stride + c] over blocks b in order.
ATHANOR_INLINE void add_partial_rows(float* target, const float* partial, int64_t stride, int64_t blocks,
                                     int64_t channels) {
  const int64_t width = kLanes * 4;
  parallel_for(ceil_divide(channels, width), [&](int64_t task) {
    for_lanes(task * width, smaller(channels, (task + 1) * width), [&](int64_t c, auto lanes) {
      VecF total = zero();
      for (int64_t b = 0; b < blocks; ++b) total += load(partial + b * stride + c, lanes);
      store(target + c, load(target + c, lanes) + total, lanes);
    });
  });
}

}  // namespace athanor::cpu::ATHANOR_ISA
