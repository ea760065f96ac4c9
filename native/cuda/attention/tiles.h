// Tiles of the attention kernels: 4 warps, bf16 rows in shared memory, products on
// the tensor cores.
#pragma once

#include "cuda/gpu.h"
#include "kernels/attention.h"

namespace athanor::cuda {

constexpr int kAttentionWarps = 4;
constexpr int kAttentionBlock = kAttentionWarps * kWarp;
constexpr float kLog2E = 1.4426950408889634f;
constexpr float kLn2 = 0.6931471805599453f;

/// What capped_score multiplies scores by; 0 without a cap.
inline float cap_exponent(const AttentionShape& s) {
  return s.softcap > 0 ? 2 * kLog2E * s.scale / s.softcap : 0;
}
/// What scores, after the cap if there is one, are multiplied by to be exponents of 2.
inline float scale_log2(const AttentionShape& s) { return (s.softcap > 0 ? s.softcap : s.scale) * kLog2E; }

/// The first key that a query at this position sees.
__device__ __forceinline__ int first_key(int position, int window) {
  return position < window ? 0 : position - window + 1;
}

/// tanh(x) of a score, where `exponent_scale` times the score is 2 x log2 e. Within 2^-21: a cap of
/// 50 then moves a score by at most 2^-15, less than the rounding of a weight to bf16.
__device__ __forceinline__ float capped_score(float score, float exponent_scale) {
  return 1.0f - __fdividef(2.0f, 1.0f + exp2_approximate(score * exponent_scale));
}

/// Byte offset of the 16-byte piece `piece` of row `row`. The order of the pieces depends on the
/// row, so that the 8 rows of a matrix load lie in different banks.
template <int kDim>
__device__ __forceinline__ int swizzled(int row, int piece) {
  return row * (kDim * 2) + ((piece ^ (row & 7)) * 16);
}

/// Starts copying rows [first, first + kRows) of `source`; zeros past `count` rows and
/// past `head_dim` columns.
template <int kDim, int kRows>
__device__ __forceinline__ void load_tile(unsigned char* tile, const bf16* source, int stride, int first,
                                          int count, int head_dim) {
  constexpr int kPieces = kDim / 8;
#pragma unroll 2  // more at once take registers for addresses that the products need
  for (int i = 0; i < kRows * kPieces / kAttentionBlock; ++i) {
    const int at = i * kAttentionBlock + static_cast<int>(threadIdx.x);
    const int row = at / kPieces, piece = at % kPieces;
    const bool is_there = first + row < count && piece * 8 < head_dim;
    const bf16* from = is_there ? source + static_cast<int64_t>(first + row) * stride + piece * 8 : source;
    copy_async_16(tile + swizzled<kDim>(row, piece), from, is_there ? 16 : 0);
  }
}

/// The left operand's fragment: rows [row, row + 16), columns [16 step, 16 step + 16).
template <int kDim>
__device__ __forceinline__ void load_left(uint32_t (&fragment)[4], const unsigned char* tile, int lane,
                                          int row, int step) {
  const int in = lane % 8, part = lane / 8;
  load_matrices(fragment, tile + swizzled<kDim>(row + in + part % 2 * 8, step * 2 + part / 2));
}

/// Two neighbouring right operands, 8 columns each, from a tile whose rows are the product's
/// columns: fragment[0..1] for rows [row, row + 8), fragment[2..3] for the next 8.
template <int kDim>
__device__ __forceinline__ void load_right_rows(uint32_t (&fragment)[4], const unsigned char* tile, int lane,
                                                int row, int step) {
  const int in = lane % 8, part = lane / 8;
  load_matrices(fragment, tile + swizzled<kDim>(row + in + part / 2 * 8, step * 2 + part % 2));
}

/// The same from a tile whose rows are summed over: rows [16 step, 16 step + 16), columns [column,
/// column + 16).
template <int kDim>
__device__ __forceinline__ void load_right_columns(uint32_t (&fragment)[4], const unsigned char* tile,
                                                   int lane, int column, int step) {
  const int in = lane % 8, part = lane / 8;
  load_matrices_transposed(fragment,
                           tile + swizzled<kDim>(step * 16 + in + part % 2 * 8, column / 8 + part / 2));
}

/// d[0] and d[1] += a times the two operands of a load_right.
__device__ __forceinline__ void multiply_pair(float (&d0)[4], float (&d1)[4], const uint32_t (&a)[4],
                                              const uint32_t (&b)[4]) {
  const uint32_t b0[2] = {b[0], b[1]}, b1[2] = {b[2], b[3]};
  mma_bf16(d0, a, b0);
  mma_bf16(d1, a, b1);
}

/// d[t] [16, kColumns] += rows [row + 16 t, ...) of `left` times the rows of `right`, transposed.
template <int kDim, int kTiles, int kColumns8>
__device__ __forceinline__ void multiply_rows(float (&d)[kTiles][kColumns8][4], const unsigned char* left,
                                              int row, const unsigned char* right) {
  const int lane = lane_again();
#pragma unroll kTiles == 1 ? 4 : 2  // all of a head of 128 would spill registers
  for (int step = 0; step < kDim / 16; ++step) {
    uint32_t a[kTiles][4];
#pragma unroll
    for (int t = 0; t < kTiles; ++t) load_left<kDim>(a[t], left, lane, row + t * 16, step);
#pragma unroll
    for (int n = 0; n < kColumns8; n += 2) {
      uint32_t b[4];
      load_right_rows<kDim>(b, right, lane, n * 8, step);
#pragma unroll
      for (int t = 0; t < kTiles; ++t) multiply_pair(d[t][n], d[t][n + 1], a[t], b);
    }
  }
}

/// Accumulators of one product are, rounded, the left operand of the next: columns [16 step, 16
/// step + 16).
template <int kColumns8>
__device__ __forceinline__ void pack_left(uint32_t (&a)[4], const float (&d)[kColumns8][4], int step) {
#pragma unroll
  for (int i = 0; i < 4; ++i) {
    a[i] = pack_bf16(d[2 * step + i / 2][i % 2 * 2], d[2 * step + i / 2][i % 2 * 2 + 1]);
  }
}

/// d[t] [16, kDim] += weights[t] [16, kRows] times the rows of `right`.
template <int kDim, int kTiles, int kRows8>
__device__ __forceinline__ void multiply_weights(float (&d)[kTiles][kDim / 8][4],
                                                 const float (&weights)[kTiles][kRows8][4],
                                                 const unsigned char* right) {
  const int lane = lane_again();
#pragma unroll
  for (int step = 0; step < kRows8 / 2; ++step) {
    uint32_t a[kTiles][4];
#pragma unroll
    for (int t = 0; t < kTiles; ++t) pack_left(a[t], weights[t], step);
#pragma unroll
    for (int n = 0; n < kDim / 8; n += 2) {
      uint32_t b[4];
      load_right_columns<kDim>(b, right, lane, n * 8, step);
#pragma unroll
      for (int t = 0; t < kTiles; ++t) multiply_pair(d[t][n], d[t][n + 1], a[t], b);
    }
  }
}

template <int kTiles, int kCount>
__device__ __forceinline__ void set_zero(float (&d)[kTiles][kCount][4]) {
#pragma unroll
  for (int t = 0; t < kTiles; ++t) {
#pragma unroll
    for (int n = 0; n < kCount; ++n) {
#pragma unroll
      for (int i = 0; i < 4; ++i) d[t][n][i] = 0.0f;
    }
  }
}

/// Writes accumulators [16, kDim] times `factor` as rows of bf16: those below `count`,
/// columns below head_dim.
template <int kDim>
__device__ __forceinline__ void store_rows(bf16* out, int64_t stride, const float (&d)[kDim / 8][4],
                                           int first, int count, int head_dim, const float (&factor)[2]) {
  const int lane = static_cast<int>(threadIdx.x) % kWarp;
#pragma unroll
  for (int half = 0; half < 2; ++half) {
    const int row = first + lane / 4 + half * 8;
    if (row >= count) continue;
#pragma unroll
    for (int n = 0; n < kDim / 8; ++n) {
      const int column = n * 8 + lane % 4 * 2;
      if (column >= head_dim) continue;
      *reinterpret_cast<uint32_t*>(out + row * stride + column) =
          pack_bf16(d[n][half * 2] * factor[half], d[n][half * 2 + 1] * factor[half]);
    }
  }
}

/// Which sequence a tile of `rows` rows belongs to, and its first row there. Sequence s has the
/// tiles from starts[s] / rows + s on. That is enough tiles for any length, without a table per
/// batch; tiles past a sequence's end have nothing to do.
struct TilePlace {
  int sequence, first, length;
  int64_t start;
};
__device__ __forceinline__ TilePlace tile_place(const int32_t* starts, int64_t sequences, int rows,
                                                int tile) {
  int low = 0, high = static_cast<int>(sequences);
  while (high - low > 1) {
    const int middle = (low + high) / 2;
    (starts[middle] / rows + middle <= tile ? low : high) = middle;
  }
  const int start = starts[low];
  return {low, (tile - start / rows - low) * rows, starts[low + 1] - start, start};
}

inline unsigned tile_count(int64_t tokens, int64_t sequences, int rows) {
  return static_cast<unsigned>(tokens / rows + sequences);
}

}  // namespace athanor::cuda
