// The GEMM micro-kernel: a tile of kRows x kColumns accumulators over the whole of k, and the
// epilogue at its store. Operands come from panels (pack.h). A step reads 16 lanes of A and 32 of B
// for 28 multiply-adds. That is 13 bytes per cycle, which L2 delivers: k needs no blocking for the
// cache, and a chain never leaves its register.
#pragma once

#include "cpu/activation_math.h"
#include "cpu/pack.h"
#include "kernels/linear.h"

namespace athanor::cpu::ATHANOR_ISA {

ATHANOR_INLINE VecU broadcast_lane(const uint32_t* p) { return VecU{} + *p; }

struct TileStore {
  void* out;
  DType dtype;
  int64_t stride;     // elements between rows of out, addend, preactivation and gelu_input
  int columns;        // of this tile that exist
  Epilogue epilogue;  // pointers already at this tile
  // Memory that the caller will read next: prefetched while this tile is multiplied,
  // `ahead_lanes` per step.
  const uint32_t* ahead;
  int64_t ahead_lanes;
};

template <bool kPairs>
ATHANOR_INLINE VecF multiply_add(VecF acc, VecU a, VecU b) {
  if constexpr (kPairs) {
    return dot_pairs(acc, a, b);
  } else {
    return fma(reinterpret_cast<VecF>(a), reinterpret_cast<VecF>(b), acc);
  }
}

template <class T>
ATHANOR_INLINE T* at(void* base, int64_t offset) {
  return static_cast<T*>(base) + offset;
}
template <class T>
ATHANOR_INLINE const T* at(const void* base, int64_t offset) {
  return static_cast<const T*>(base) + offset;
}

/// Applies the epilogue to one vector of the tile and stores it.
template <class T>
ATHANOR_INLINE void store_partly(VecF value, const TileStore& s, int64_t row, int column, int count) {
  const Epilogue& e = s.epilogue;
  const int64_t offset = row * s.stride + column;
  if (e.bias) value += load_partial(e.bias + column, count);
  if (e.addend) value += load_partial(at<T>(e.addend, offset), count);
  if (e.preactivation) store_partial(at<T>(e.preactivation, offset), value, count);
  if (e.activation == Activation::kGelu) value = gelu_tanh(value);
  if (e.gelu_input) value *= gelu_tanh_slope(load_partial(at<T>(e.gelu_input, offset), count));
  store_partial(at<T>(s.out, offset), value, count);
}

template <class T>
ATHANOR_INLINE void store_full(VecF value, const TileStore& s, int64_t row, int column) {
  const Epilogue& e = s.epilogue;
  const int64_t offset = row * s.stride + column;
  if (e.bias) value += load(e.bias + column);
  if (e.addend) value += load(at<T>(e.addend, offset));
  if (e.preactivation) store(at<T>(e.preactivation, offset), value);
  if (e.activation == Activation::kGelu) value = gelu_tanh(value);
  if (e.gelu_input) value *= gelu_tanh_slope(load(at<T>(e.gelu_input, offset)));
  store(at<T>(s.out, offset), value);
}

template <class T, int kR>
ATHANOR_INLINE void store_tile(const VecF (&acc)[kR][kColumnVectors], const TileStore& s) {
  for (int r = 0; r < kR; ++r) {
#pragma GCC unroll 2
    for (int v = 0; v < kColumnVectors; ++v) {
      const int column = v * kLanes;
      const int count = s.columns - column;
      if (count >= kLanes) {
        store_full<T>(acc[r][v], s, r, column);
      } else if (count > 0) {
        store_partly<T>(acc[r][v], s, r, column, count);
      }
    }
  }
}

/// One tile of kR rows. `a` has `a_width` lanes per step, `b` kColumns.
template <int kR, bool kPairs>
__attribute__((noinline)) void tile(const uint32_t* a, int a_width, const uint32_t* b, int64_t steps,
                                    const TileStore& s) {
  VecF acc[kR][kColumnVectors];
#pragma GCC unroll 16
  for (int r = 0; r < kR; ++r) {
#pragma GCC unroll 2
    for (int v = 0; v < kColumnVectors; ++v) acc[r][v] = zero();
  }
  if (s.epilogue.accumulate) {
#pragma GCC unroll 16
    for (int r = 0; r < kR; ++r) {
#pragma GCC unroll 2
      for (int v = 0; v < kColumnVectors; ++v) {
        const int count = smaller(kLanes, s.columns - v * kLanes);
        if (count > 0) acc[r][v] = load_partial(at<float>(s.out, r * s.stride + v * kLanes), count);
      }
    }
  }
  const uint32_t* ahead = s.ahead;
  for (int64_t step = 0; step < steps; ++step, ahead += s.ahead_lanes) {
    __builtin_prefetch(ahead);
    VecU bv[kColumnVectors];
#pragma GCC unroll 2
    for (int v = 0; v < kColumnVectors; ++v) bv[v] = load_lanes(b + v * kLanes);
#pragma GCC unroll 16
    for (int r = 0; r < kR; ++r) {
      const VecU av = broadcast_lane(a + r);
#pragma GCC unroll 2
      for (int v = 0; v < kColumnVectors; ++v) acc[r][v] = multiply_add<kPairs>(acc[r][v], av, bv[v]);
    }
    a += a_width;
    b += kColumns;
  }
  if (s.dtype == DType::kF32) {
    store_tile<float, kR>(acc, s);
  } else {
    store_tile<bf16, kR>(acc, s);
  }
}

/// One row times kPanels neighbouring panels of B. A row has two chains per panel, and each waits
/// for the latency of its multiply-add; several panels at once fill the gaps. `a` is the row
/// itself, one lane per step.
template <bool kPairs, int kPanels>
__attribute__((noinline)) void row_tile(const uint32_t* a, const uint32_t* b, int64_t panel_lanes,
                                        int64_t steps, const TileStore* stores) {
  VecF acc[kPanels][1][kColumnVectors];
#pragma GCC unroll 4
  for (int p = 0; p < kPanels; ++p) {
#pragma GCC unroll 2
    for (int v = 0; v < kColumnVectors; ++v) {
      const TileStore& s = stores[p];
      const int count = smaller(kLanes, s.columns - v * kLanes);
      acc[p][0][v] =
          s.epilogue.accumulate && count > 0 ? load_partial(at<float>(s.out, v * kLanes), count) : zero();
    }
  }
  for (int64_t step = 0; step < steps; ++step) {
    const VecU av = broadcast_lane(a + step);
#pragma GCC unroll 4
    for (int p = 0; p < kPanels; ++p) {
#pragma GCC unroll 2
      for (int v = 0; v < kColumnVectors; ++v)
        acc[p][0][v] = multiply_add<kPairs>(acc[p][0][v], av,
                                            load_lanes(b + p * panel_lanes + step * kColumns + v * kLanes));
    }
  }
  for (int p = 0; p < kPanels; ++p) {
    if (stores[p].dtype == DType::kF32) {
      store_tile<float, 1>(acc[p], stores[p]);
    } else {
      store_tile<bf16, 1>(acc[p], stores[p]);
    }
  }
}

using TileFunction = void (*)(const uint32_t*, int, const uint32_t*, int64_t, const TileStore&);

/// The kernel for `rows` rows (1 to kRows): a last, short block does no work for rows that
/// are not there.
template <bool kPairs, int kR = kRows>
TileFunction tile_for(int64_t rows) {
  if constexpr (kR == 1) {
    return tile<1, kPairs>;
  } else {
    return rows == kR ? tile<kR, kPairs> : tile_for<kPairs, kR - 1>(rows);
  }
}

}  // namespace athanor::cpu::ATHANOR_ISA
