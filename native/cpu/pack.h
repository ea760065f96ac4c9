// Panels for the GEMM micro-kernel. bf16 is stored in pairs along k (one 32-bit lane each), so both
// precisions are matrices of 32-bit lanes: `steps` of k (pairs for bf16) by a panel's width. A
// missing last element is zero.
#pragma once

#include "core/thread_pool.h"
#include "cpu/simd.h"

namespace athanor::cpu::ATHANOR_ISA {

// Registers decide the tile. AVX-512 has 32: 14 x 2 accumulators, 2 of B, 1 of A, 31 in all. AVX2
// has 16: 6 x 2 + 2 + 1. An FMA latency of 4 at 2 per cycle needs 8 independent chains; both have
// more. Loads per step: 14 broadcasts + 2 for 28 multiply-adds, half of the load ports' rate.
#if defined(__AVX512F__)
constexpr int kRows = 14;
#elif defined(__AVX2__)
constexpr int kRows = 6;
#else
constexpr int kRows = 4;
#endif
constexpr int kColumnVectors = 2;
constexpr int kColumns = kColumnVectors * kLanes;

/// Elements of k in one 32-bit lane.
ATHANOR_INLINE int64_t lane_depth(DType dtype) { return dtype == DType::kBF16 ? 2 : 1; }
ATHANOR_INLINE int64_t step_count(int64_t k, DType dtype) { return ceil_divide(k, lane_depth(dtype)); }

ATHANOR_INLINE VecU load_lanes(const uint32_t* p) {
  VecU v;
  std::memcpy(&v, p, sizeof v);
  return v;
}
ATHANOR_INLINE void store_lanes(uint32_t* p, VecU v) { std::memcpy(p, &v, sizeof v); }

/// Rounds the 2 * kLanes numbers at p to bf16 and joins neighbours: lane i holds elements 2i (low
/// half) and 2i + 1.
ATHANOR_INLINE VecU load_pairs(const float* p) {
  const VecH halves[2] = {narrow(load(p)), narrow(load(p + kLanes))};
#if defined(__AVX512F__)
  // Joined in registers; GCC 12 goes through memory otherwise.
  const __m512i low = _mm512_castsi256_si512(reinterpret_cast<__m256i>(halves[0]));
  return reinterpret_cast<VecU>(
      _mm512_maskz_inserti64x4(kAllDoubles, low, reinterpret_cast<__m256i>(halves[1]), 1));
#else
  VecU v;
  std::memcpy(&v, halves, sizeof v);
  return v;
#endif
}
ATHANOR_INLINE VecU load_pairs(const bf16* p) {
  VecU v;
  std::memcpy(&v, p, sizeof v);
  return v;
}

/// Lane i holds row0[i] (low) and row1[i], as bf16.
ATHANOR_INLINE VecU interleave(VecH row0, VecH row1) {
  return (reinterpret_cast<VecU>(widen(row0)) >> 16) | reinterpret_cast<VecU>(widen(row1));
}
ATHANOR_INLINE VecH load_halves(const float* p) { return narrow(load(p)); }
ATHANOR_INLINE VecH load_halves(const bf16* p) {
  VecH h;
  std::memcpy(&h, p, sizeof h);
  return h;
}

/// The lanes at p: pairs of bf16, or numbers as they are.
template <bool kPairs, class From>
ATHANOR_INLINE VecU lanes_at(const From* p) {
  if constexpr (kPairs) {
    return load_pairs(p);
  } else {
    return reinterpret_cast<VecU>(load(p));
  }
}

/// Transposes a kLanes x kLanes block in registers: log2(kLanes) rounds, each of which interleaves
/// row i and the row half a block later into rows 2i and 2i + 1. Every round is the same two
/// shuffles, whose indices stay in registers beside the block.
ATHANOR_INLINE void transpose(VecU* rows) {
  VecU low, high;
  for (int i = 0; i < kLanes; ++i) {
    low[i] = static_cast<uint32_t>(i / 2 + i % 2 * kLanes);
    high[i] = low[i] + kLanes / 2;
  }
#pragma GCC unroll 4
  for (int round = 1; round < kLanes; round *= 2) {
    VecU next[kLanes];
#pragma GCC unroll 8
    for (int i = 0; i < kLanes / 2; ++i) {
      next[2 * i] = __builtin_shuffle(rows[i], rows[i + kLanes / 2], low);
      next[2 * i + 1] = __builtin_shuffle(rows[i], rows[i + kLanes / 2], high);
    }
#pragma GCC unroll 16
    for (int i = 0; i < kLanes; ++i) rows[i] = next[i];
  }
}

/// kLanes rows of kLanes lanes each, of which the first `columns` exist and the rest are zero, to
/// `steps` rows of the panel.
template <bool kPairs, class From>
ATHANOR_INLINE void pack_block(uint32_t* panel, int width, const From* source, int64_t stride, int columns,
                               int steps) {
  const From zeros[2 * kLanes] = {};
  VecU block[kLanes];
  // A choice of address, not a branch: the rows stay in registers from here to the stores.
#pragma GCC unroll 16
  for (int i = 0; i < kLanes; ++i) block[i] = lanes_at<kPairs>(i < columns ? source + i * stride : zeros);
  transpose(block);
  if (steps >= kLanes) {
#pragma GCC unroll 16
    for (int s = 0; s < kLanes; ++s) store_lanes(panel + s * width, block[s]);
  } else {
    VecU rows[kLanes];
    std::memcpy(rows, block, sizeof rows);
    for (int s = 0; s < steps; ++s) store_lanes(panel + s * width, rows[s]);
  }
}

template <bool kPairs, class From>
ATHANOR_INLINE void pack_blocks_along_k(uint32_t* panel, int width, const From* source, int64_t stride,
                                        int columns, int64_t k) {
  constexpr int64_t kBlockDepth = kLanes * (kPairs ? 2 : 1);
  const int64_t whole = k / kBlockDepth;
  for (int64_t block = 0; block < whole; ++block) {
    for (int c0 = 0; c0 < width; c0 += kLanes)
      pack_block<kPairs>(panel + block * kLanes * width + c0, width,
                         source + c0 * stride + block * kBlockDepth, stride, columns - c0, kLanes);
  }
  const int64_t left = k - whole * kBlockDepth;
  if (left == 0) return;
  for (int c0 = 0; c0 < width; c0 += kLanes) {
    From tail[kLanes * kBlockDepth] = {};
    for (int c = 0; c < smaller(kLanes, columns - c0); ++c) {
      std::memcpy(tail + c * kBlockDepth, source + (c0 + c) * stride + whole * kBlockDepth,
                  static_cast<size_t>(left) * sizeof(From));
    }
    pack_block<kPairs>(panel + whole * kLanes * width + c0, width, tail, kBlockDepth, kLanes,
                       static_cast<int>(ceil_divide(left, kPairs ? 2 : 1)));
  }
}

/// One panel from rows that run along k: lane (step, c) = source[c][k of step], `columns` of
/// `width` rows present. From is the source's type; `pairs` packs bf16. `width` is a multiple of
/// kLanes or below it: a narrow row is stored whole and its surplus overwritten by the next, so a
/// panel needs kLanes of slack behind it.
template <class From>
void pack_along_k(uint32_t* panel, int width, const From* source, int64_t stride, int columns, int64_t k,
                  bool pairs) {
  pairs ? pack_blocks_along_k<true>(panel, width, source, stride, columns, k)
        : pack_blocks_along_k<false>(panel, width, source, stride, columns, k);
}

/// A step's lanes from its row or, in pairs, its two rows.
template <bool kPairs, class From>
ATHANOR_INLINE VecU lanes_across(const From* row0, const From* row1) {
  if constexpr (kPairs) {
    return interleave(load_halves(row0), load_halves(row1));
  } else {
    return reinterpret_cast<VecU>(load(row0));
  }
}

/// kLanes columns of a panel, of which `columns` exist and the rest are zero.
template <bool kPairs, class From>
ATHANOR_INLINE void pack_columns_across_k(uint32_t* panel, int width, const From* source, int64_t stride,
                                          int columns, int64_t k) {
  constexpr int64_t kDepth = kPairs ? 2 : 1;
  const int64_t whole = columns >= kLanes ? k / kDepth : 0;
  for (int64_t step = 0; step < whole; ++step) {
    const From* row = source + step * kDepth * stride;
    store_lanes(panel + step * width, lanes_across<kPairs>(row, row + stride));
  }
  const auto bytes = static_cast<size_t>(larger(0, smaller(kLanes, columns))) * sizeof(From);
  for (int64_t step = whole; step * kDepth < k; ++step) {
    From rows[2][kLanes] = {};
    for (int64_t i = 0; i < smaller(kDepth, k - step * kDepth); ++i)
      std::memcpy(rows[i], source + (step * kDepth + i) * stride, bytes);
    store_lanes(panel + step * width, lanes_across<kPairs>(rows[0], rows[1]));
  }
}

/// One panel from rows that run across k: lane (step, c) = source[k of step][c].
template <class From>
void pack_across_k(uint32_t* panel, int width, const From* source, int64_t stride, int columns, int64_t k,
                   bool pairs) {
  for (int c0 = 0; c0 < width; c0 += kLanes) {
    pairs ? pack_columns_across_k<true>(panel + c0, width, source + c0, stride, columns - c0, k)
          : pack_columns_across_k<false>(panel + c0, width, source + c0, stride, columns - c0, k);
  }
}

}  // namespace athanor::cpu::ATHANOR_ISA
