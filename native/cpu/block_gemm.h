// Small matrix products on blocks that live in L1: C [rows, columns] (f32) (+)= A B. A is
// row-major lanes (numbers, or pairs of bf16 as they lie in memory), B a panel of `b_width` lanes
// a step (pack.h).
#pragma once

#include "cpu/pack.h"

namespace athanor::cpu::ATHANOR_ISA {

template <bool kPairs>
ATHANOR_INLINE VecF block_multiply_add(VecF acc, VecU a, VecU b) {
  if constexpr (kPairs) {
    return dot_pairs(acc, a, b);
  } else {
    return fma(reinterpret_cast<VecF>(a), reinterpret_cast<VecF>(b), acc);
  }
}

// 6 x 4 accumulators, 4 of B and one of A of AVX-512's 32 registers; 4 x 2 elsewhere fits 16.
#if defined(__AVX512F__)
constexpr int kBlockRows = 6;
constexpr int kBlockVectors = 4;
#else
constexpr int kBlockRows = 4;
constexpr int kBlockVectors = 2;
#endif

constexpr int64_t kGroupColumns = 16;

struct BlockProduct {
  const uint32_t* a;
  int64_t a_stride;  // lanes between rows
  const uint32_t* b;
  int64_t b_width;  // lanes per step
  int64_t b_group;  // lanes from 16 columns to the next 16
  float* c;
  int64_t c_stride;
  int64_t steps;
  bool accumulate;
};

/// Where column c of a step of B lies.
ATHANOR_INLINE int64_t column_lanes(int64_t c, int64_t group) {
  return c / kGroupColumns * group + c % kGroupColumns;
}

template <bool kPairs, int kR, int kV>
ATHANOR_INLINE void block_tile(const BlockProduct& g) {
  VecF acc[kR][kV];
#pragma GCC unroll 8
  for (int r = 0; r < kR; ++r) {
#pragma GCC unroll 4
    for (int v = 0; v < kV; ++v) acc[r][v] = g.accumulate ? load(g.c + r * g.c_stride + v * kLanes) : zero();
  }
  const uint32_t* b = g.b;
  for (int64_t step = 0; step < g.steps; ++step, b += g.b_width) {
    VecU bv[kV];
#pragma GCC unroll 4
    for (int v = 0; v < kV; ++v) bv[v] = load_lanes(b + column_lanes(v * kLanes, g.b_group));
#pragma GCC unroll 8
    for (int r = 0; r < kR; ++r) {
      const VecU av = VecU{} + g.a[r * g.a_stride + step];
#pragma GCC unroll 4
      for (int v = 0; v < kV; ++v) acc[r][v] = block_multiply_add<kPairs>(acc[r][v], av, bv[v]);
    }
  }
#pragma GCC unroll 8
  for (int r = 0; r < kR; ++r) {
#pragma GCC unroll 4
    for (int v = 0; v < kV; ++v) store(g.c + r * g.c_stride + v * kLanes, acc[r][v]);
  }
}

template <bool kPairs, int kV, int kR = kBlockRows>
ATHANOR_INLINE void block_rows(int64_t rows, const BlockProduct& g) {
  if constexpr (kR >= 1) {
    if (rows == kR) return block_tile<kPairs, kR, kV>(g);
    block_rows<kPairs, kV, kR - 1>(rows, g);
  }
}

/// `columns` is a multiple of kLanes; every element's chain runs over the steps in order.
template <bool kPairs>
__attribute__((noinline)) void block_gemm(int64_t rows, int64_t columns, BlockProduct g) {
  const uint32_t* a = g.a;
  const uint32_t* b = g.b;
  float* c = g.c;
  for (int64_t c0 = 0; c0 < columns;) {
    const int64_t vectors = (columns - c0) / kLanes;
    const int wide = vectors >= kBlockVectors ? kBlockVectors : vectors >= 2 ? 2 : 1;
    for (int64_t r0 = 0; r0 < rows; r0 += kBlockRows) {
      g.a = a + r0 * g.a_stride;
      g.b = b + column_lanes(c0, g.b_group);
      g.c = c + r0 * g.c_stride + c0;
      const int64_t count = smaller<int64_t>(kBlockRows, rows - r0);
      if (wide == kBlockVectors) {
        block_rows<kPairs, kBlockVectors>(count, g);
      } else if (wide == 2) {
        block_rows<kPairs, 2>(count, g);
      } else {
        block_rows<kPairs, 1>(count, g);
      }
    }
    c0 += wide * kLanes;
  }
}

/// Products of one row each, with the same steps: row r of A times B r, whose `columns` of all
/// steps lie in one piece. One product has a chain per vector and would wait for its multiply-adds.
/// It is also bound by memory: while it reads B, it prefetches as many bytes at `ahead` (and from
/// b_next on), which the caller reads next, and `later` lanes further, where it reads after those
/// (0: nothing). A core with too many prefetches on the way drops some, so every line is asked for
/// twice. They go to L2: L1 does not hold two heads and the next two, and a prefetch into it waits
/// for one of its few buffers.
struct RowProducts {
  const uint32_t* a;
  int64_t a_next;  // lanes to the next product's
  const uint32_t* b;
  int64_t b_next;
  int64_t b_width, b_group;
  const uint32_t* ahead;
  int64_t later;
  float* c;
  int64_t c_next;
  int64_t steps;
  bool accumulate;
};

template <bool kPairs, int kCount, bool kLater, int kV>
ATHANOR_INLINE void row_products_tile(const RowProducts& g) {
  VecF acc[kCount][kV];
#pragma GCC unroll 2
  for (int r = 0; r < kCount; ++r) {
#pragma GCC unroll 4
    for (int v = 0; v < kV; ++v) acc[r][v] = g.accumulate ? load(g.c + r * g.c_next + v * kLanes) : zero();
  }
  const uint32_t *b = g.b, *ahead = g.ahead;
  for (int64_t step = 0; step < g.steps; ++step, b += g.b_width, ahead += kV * kLanes) {
#pragma GCC unroll 2
    for (int r = 0; r < kCount; ++r) {
      const VecU av = VecU{} + g.a[r * g.a_next + step];
#pragma GCC unroll 4
      for (int v = 0; v < kV; ++v) {
        const VecU bv = load_lanes(b + r * g.b_next + column_lanes(v * kLanes, g.b_group));
        acc[r][v] = block_multiply_add<kPairs>(acc[r][v], av, bv);
        const uint32_t* line = ahead + r * g.b_next + v * kLanes;
        if constexpr (kLater) __builtin_prefetch(line + g.later, 0, 2);
        __builtin_prefetch(line, 0, 2);
      }
    }
  }
#pragma GCC unroll 2
  for (int r = 0; r < kCount; ++r) {
#pragma GCC unroll 4
    for (int v = 0; v < kV; ++v) store(g.c + r * g.c_next + v * kLanes, acc[r][v]);
  }
}

template <bool kPairs, int kCount, bool kLater>
__attribute__((noinline)) void row_products_asking(int64_t columns, RowProducts g) {
  const uint32_t* b = g.b;
  float* c = g.c;
  for (int64_t c0 = 0; c0 < columns;) {
    const int64_t vectors = (columns - c0) / kLanes;
    const int wide = vectors >= kBlockVectors ? kBlockVectors : vectors >= 2 ? 2 : 1;
    g.b = b + column_lanes(c0, g.b_group);
    g.c = c + c0;
    if (wide == kBlockVectors) {
      row_products_tile<kPairs, kCount, kLater, kBlockVectors>(g);
    } else if (wide == 2) {
      row_products_tile<kPairs, kCount, kLater, 2>(g);
    } else {
      row_products_tile<kPairs, kCount, kLater, 1>(g);
    }
    g.ahead += g.steps * wide * kLanes;
    c0 += wide * kLanes;
  }
}

template <bool kPairs, int kCount>
ATHANOR_INLINE void row_products(int64_t columns, const RowProducts& g) {
  g.later != 0 ? row_products_asking<kPairs, kCount, true>(columns, g)
               : row_products_asking<kPairs, kCount, false>(columns, g);
}

}  // namespace athanor::cpu::ATHANOR_ISA
