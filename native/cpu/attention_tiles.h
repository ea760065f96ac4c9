// The layouts that attention computes from, in training and in the KV cache alike. A block of 64
// keys (or queries) of one head is kept in one or both of two: "across" with lanes along the tokens
// ([4][head_dim steps][16], for products over head_dim) and "along" with lanes along head_dim ([64
// steps][padded head_dim], for sums over tokens). bf16 steps are pairs. Both layouts fill up from
// their start, so that decoding reads little more than the tokens that exist.
#pragma once

#include <type_traits>

#include "cpu/block_gemm.h"
#include "kernels/attention.h"

namespace athanor::cpu::ATHANOR_ISA {

constexpr int64_t kBlock = kAttentionKeyBlock;

ATHANOR_INLINE int64_t padded_dim(int64_t head_dim) { return round_up(head_dim, kAttentionHeadPadding); }

/// Sizes of the two layouts in 32-bit lanes, and the steps of their sums.
struct TileShape {
  int64_t head_dim, padded, depth;
  TileShape(int64_t dim, DType dtype) : head_dim(dim), padded(padded_dim(dim)), depth(lane_depth(dtype)) {}
  int64_t dim_steps() const { return head_dim / depth; }
  int64_t token_steps() const { return kBlock / depth; }
  /// Sixteen tokens of an "across" tile.
  int64_t group_lanes() const { return padded / depth * kGroupColumns; }
  int64_t across_lanes() const { return padded / depth * kBlock; }
  int64_t along_lanes() const { return token_steps() * padded; }
};

/// Lanes along the tokens, from `present` rows of a row-major matrix; absent tokens are zero.
template <class T>
void fill_across(uint32_t* tile, const T* rows, int64_t stride, int64_t present, const TileShape& shape) {
  for (int64_t first = 0; first < kBlock; first += kGroupColumns, tile += shape.group_lanes())
    pack_along_k(tile, static_cast<int>(kGroupColumns), rows + first * stride, stride,
                 static_cast<int>(present - first), shape.head_dim, std::is_same_v<T, bf16>);
}

/// Lanes along head_dim.
template <class T>
void fill_along(uint32_t* tile, const T* rows, int64_t stride, int64_t present, const TileShape& shape) {
  const int64_t steps = ceil_divide(present, shape.depth);
  pack_across_k(tile, static_cast<int>(shape.padded), rows, stride, static_cast<int>(shape.head_dim), present,
                std::is_same_v<T, bf16>);
  std::memset(tile + steps * shape.padded, 0,
              static_cast<size_t>((shape.token_steps() - steps) * shape.padded) * 4);
}

/// One more token into a block that was zero or holds an earlier sequence: token `index` of it.
template <class T>
void append_across(uint32_t* tile, const T* row, int64_t index, const TileShape& shape) {
  const auto* lanes = reinterpret_cast<const char*>(row);
  uint32_t* out = tile + column_lanes(index, shape.group_lanes());
  // Computed before the loop: it divides, and the compiler has to assume that the stores
  // change its inputs.
  const int64_t steps = shape.dim_steps();
  for (int64_t step = 0; step < steps; ++step) std::memcpy(out + step * kGroupColumns, lanes + step * 4, 4);
}

template <class T>
void append_along(uint32_t* tile, const T* row, int64_t index, const TileShape& shape) {
  if constexpr (std::is_same_v<T, float>) {
    std::memcpy(tile + index * shape.padded, row, static_cast<size_t>(shape.head_dim) * 4);
  } else {
    // The first token of a pair clears the second, which may be stale.
    uint32_t* out = tile + index / 2 * shape.padded;
    const uint32_t kept = index % 2 == 0 ? 0 : 0xffffu;
    const int shift = index % 2 == 0 ? 0 : 16;
    const int64_t count = shape.head_dim;
    for (int64_t d = 0; d < count; ++d)
      out[d] = (out[d] & kept) | (static_cast<uint32_t>(row[d].bits) << shift);
  }
}

}  // namespace athanor::cpu::ATHANOR_ISA
