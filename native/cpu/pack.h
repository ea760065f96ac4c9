// Panels for the GEMM micro-kernel. bf16 is stored in pairs along k (one 32-bit lane each), so both
// precisions are matrices of 32-bit lanes: `steps` of k (pairs for bf16) by a panel's width. A missing last
// element is zero.
#pragma once

#include <algorithm>

#include "core/thread_pool.h"
#include "cpu/simd.h"

namespace athanor::cpu::ATHANOR_ISA {

// Registers decide the tile. AVX-512 has 32: 14 x 2 accumulators, 2 of B, 1 of A, 31 in all. AVX2 has 16: 6 x
// 2 + 2 + 1. FMA latency 4 at 2 a cycle asks for 8 independent chains; both have more. Loads a step: 14
// broadcasts + 2 for 28 multiply-adds, half of what the load ports give.
#if defined(__AVX512F__)
constexpr int kRows = 14;
#elif defined(__AVX2__)
constexpr int kRows = 6;
#else
constexpr int kRows = 4;
#endif
constexpr int kColumnVectors = 2;
constexpr int kColumns = kColumnVectors * kLanes;

ATHANOR_INLINE int64_t ceil_div(int64_t a, int64_t b) { return (a + b - 1) / b; }
/// k elements one 32-bit lane holds.
ATHANOR_INLINE int64_t lane_depth(DType dtype) { return dtype == DType::kBF16 ? 2 : 1; }
ATHANOR_INLINE int64_t step_count(int64_t k, DType dtype) { return ceil_div(k, lane_depth(dtype)); }

ATHANOR_INLINE VecU load_lanes(const uint32_t* p) {
  VecU v;
  std::memcpy(&v, p, sizeof v);
  return v;
}
ATHANOR_INLINE void store_lanes(uint32_t* p, VecU v) { std::memcpy(p, &v, sizeof v); }

/// Rounds the 2 * kLanes numbers at p to bf16 and joins neighbours: lane i holds elements 2i (low) and 2i
/// + 1.
ATHANOR_INLINE VecU load_pairs(const float* p) {
  VecH halves[2] = {narrow(load(p)), narrow(load(p + kLanes))};
  VecU v;
  std::memcpy(&v, halves, sizeof v);
  return v;
}
ATHANOR_INLINE VecU load_pairs(const bf16* p) {
  VecU v;
  std::memcpy(&v, p, sizeof v);
  return v;
}

/// Lane i holds row0[i] (low) and row1[i], as bf16.
ATHANOR_INLINE VecU interleave(VecH row0, VecH row1) {
  return __builtin_convertvector(row0, VecU) | (__builtin_convertvector(row1, VecU) << 16);
}
ATHANOR_INLINE VecH load_halves(const float* p) { return narrow(load(p)); }
ATHANOR_INLINE VecH load_halves(const bf16* p) {
  VecH h;
  std::memcpy(&h, p, sizeof h);
  return h;
}

/// Transposes a kLanes x kLanes block in registers: log2(kLanes) rounds that each swap half-blocks of pairs
/// of rows.
ATHANOR_INLINE void transpose(VecU* rows) {
#pragma GCC unroll 8
  for (int half = 1; half < kLanes; half *= 2) {
    VecU low, high;
    for (int i = 0; i < kLanes; ++i) {
      const bool upper = (i & half) != 0;
      low[i] = static_cast<uint32_t>(upper ? kLanes + (i ^ half) : i);
      high[i] = static_cast<uint32_t>(upper ? kLanes + i : (i ^ half));
    }
    VecU next[kLanes];
#pragma GCC unroll 16
    for (int i = 0; i < kLanes; ++i) {
      if ((i & half) != 0) continue;
      next[i] = __builtin_shuffle(rows[i], rows[i + half], low);
      next[i + half] = __builtin_shuffle(rows[i], rows[i + half], high);
    }
#pragma GCC unroll 16
    for (int i = 0; i < kLanes; ++i) rows[i] = next[i];
  }
}

/// One panel from rows that run along k: lane (step, c) = source[c][k of step], `columns` of `width` rows
/// present. From is the source's type; `pairs` packs bf16. `width` is a multiple of kLanes or below it: a
/// narrow row is stored whole and its surplus overwritten by the next, so a panel needs kLanes of slack
/// behind it.
template <class From>
void pack_along_k(uint32_t* panel, int width, const From* source, int64_t stride, int columns, int64_t k,
                  bool pairs) {
  const int64_t depth = pairs ? 2 : 1;
  const int64_t steps = ceil_div(k, depth);
  for (int64_t step = 0; step < steps; step += kLanes) {
    const int64_t k0 = step * depth;
    const int64_t present = std::min<int64_t>(k - k0, kLanes * depth);
    const int rows_out = static_cast<int>(std::min<int64_t>(kLanes, steps - step));
    for (int c0 = 0; c0 < width; c0 += kLanes) {
      VecU block[kLanes];
#pragma GCC unroll 16
      for (int i = 0; i < kLanes; ++i) {
        block[i] = VecU{};
        const int c = c0 + i;
        if (c >= columns) continue;
        const From* row = source + c * stride + k0;
        From tail[2 * kLanes];
        if (present < kLanes * depth) {
          std::memset(tail, 0, sizeof tail);
          std::memcpy(tail, row, static_cast<size_t>(present) * sizeof(From));
          row = tail;
        }
        if (pairs) {
          block[i] = load_pairs(row);
        } else {
          block[i] = reinterpret_cast<VecU>(load(row));
        }
      }
      transpose(block);
      for (int s = 0; s < rows_out; ++s) {
        store_lanes(panel + (step + s) * width + c0, block[s]);
      }
    }
  }
}

/// One panel from rows that run across k: lane (step, c) = source[k of step][c].
template <class From>
void pack_across_k(uint32_t* panel, int width, const From* source, int64_t stride, int columns, int64_t k,
                   bool pairs) {
  const int64_t depth = pairs ? 2 : 1;
  const int64_t steps = ceil_div(k, depth);
  for (int64_t step = 0; step < steps; ++step) {
    const From* row0 = source + step * depth * stride;
    const bool has1 = pairs && step * 2 + 1 < k;
    const From* row1 = has1 ? row0 + stride : row0;
    for (int c0 = 0; c0 < width; c0 += kLanes) {
      const int present = std::min(kLanes, columns - c0);
      From tail0[kLanes], tail1[kLanes];
      const From *p0 = row0 + c0, *p1 = row1 + c0;
      if (present < kLanes) {
        std::memset(tail0, 0, sizeof tail0);
        std::memset(tail1, 0, sizeof tail1);
        if (present > 0) {
          std::memcpy(tail0, p0, static_cast<size_t>(present) * sizeof(From));
          std::memcpy(tail1, p1, static_cast<size_t>(present) * sizeof(From));
        }
        p0 = tail0;
        p1 = tail1;
      }
      VecU lanes_out;
      if (pairs) {
        lanes_out = interleave(load_halves(p0), has1 ? load_halves(p1) : VecH{});
      } else {
        lanes_out = reinterpret_cast<VecU>(load(p0));
      }
      store_lanes(panel + step * width + c0, lanes_out);
    }
  }
}

}  // namespace athanor::cpu::ATHANOR_ISA
