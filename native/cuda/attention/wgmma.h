// The parts that the Hopper kernels of attention share: tiles that a producer warp streams
// through a ring of stages, and the products that consumer warpgroups make of them. A tile
// consists of boxes of 64 columns, one after another, with the 128-byte swizzle that tensor
// copies write and wgmma reads.
#pragma once

#include "cuda/attention/tiles.h"

namespace athanor::cuda {

constexpr int kGroup = 4 * kWarp;  // threads of a warpgroup
constexpr int kGroupRows = 64;     // of a product of a warpgroup
constexpr int kRowBytes = 128;     // 64 columns: the width of one tensor copy
constexpr size_t kTileAlignment = 1024;

template <int kDim, int kTileRows>
struct Tile {
  static constexpr int kRows = kTileRows, kBoxes = kDim / 64;
  static constexpr int kBoxBytes = kRows * kRowBytes, kBytes = kBoxes * kBoxBytes;
};

/// A place in the ring of stages and the parity of its round.
template <int kStages>
struct Stage {
  int index;
  unsigned parity;
  __device__ explicit Stage(int tile) : index(tile % kStages), parity(tile / kStages % 2) {}
};

#ifdef ATHANOR_SM90A

/// Registers per thread for a number of consumers: a multiprocessor has 512 for the warpgroups of
/// all its blocks.
template <int kConsumers>
constexpr int kProducerRegisters = kConsumers == 1   ? 56
                                   : kConsumers == 2 ? 24
                                                     : 32;
template <int kConsumers>
constexpr int kConsumerRegisters = kConsumers == 1   ? 200
                                   : kConsumers == 2 ? 240
                                                     : 160;

/// Tiles are aligned by hand.
__device__ __forceinline__ unsigned char* align_tiles(unsigned char* bytes) {
  return bytes + (kTileAlignment - reinterpret_cast<uintptr_t>(bytes) % kTileAlignment) % kTileAlignment;
}

/// Starts copying a tile, whose bytes `barrier` already expects.
template <class Tile>
__device__ __forceinline__ void copy_tile(unsigned char* tile, const TensorMap& map, int column, int row,
                                          uint64_t* barrier) {
#pragma unroll
  for (int box = 0; box < Tile::kBoxes; ++box) {
    tensor_copy(tile + box * Tile::kBoxBytes, &map, column + box * 64, row, barrier);
  }
}

/// The tiles of kTiles consumers, whose rows follow one another.
template <class Tile, int kTiles>
__device__ __forceinline__ void copy_tiles(unsigned char* tiles, const TensorMap& map, int column, int row,
                                           uint64_t* barrier) {
  for (int i = 0; i < kTiles; ++i) {
    copy_tile<Tile>(tiles + i * Tile::kBytes, map, column, row + i * Tile::kRows, barrier);
  }
}

/// Clears the rows after the end of a sequence. They belong to another sequence and have weights of
/// 0, but 0 * NaN is NaN.
template <class Tile>
__device__ __forceinline__ void clear_rows(unsigned char* tile, int first, int lane) {
  constexpr int kPieces = kRowBytes / 16;
  for (int i = first * kPieces + lane; i < Tile::kRows * kPieces; i += kWarp) {
#pragma unroll
    for (int box = 0; box < Tile::kBoxes; ++box) {
      *reinterpret_cast<uint4*>(tile + box * Tile::kBoxBytes + i * 16) = make_uint4(0, 0, 0, 0);
    }
  }
}

/// Each warp reports by itself that it is done with a stage.
__device__ __forceinline__ void release(uint64_t* barrier) {
  if (threadIdx.x % kWarp == 0) mbarrier_arrive(barrier);
}

/// scores [64, rows of Right] = the rows of `left` times those of `right`, transposed.
template <class Left, class Right>
__device__ __forceinline__ void start_scores(float (&scores)[Right::kRows / 8][4], const unsigned char* left,
                                             const unsigned char* right) {
  static_assert(Left::kRows == kGroupRows && Left::kBoxes == Right::kBoxes);
#pragma unroll
  for (int box = 0; box < Right::kBoxes; ++box) {
#pragma unroll
    for (int step = 0; step < 4; ++step) {
      wgmma_rows(scores, wgmma_descriptor(left + box * Left::kBoxBytes + step * 32, 16, 1024),
                 wgmma_descriptor(right + box * Right::kBoxBytes + step * 32, 16, 1024), box + step > 0);
    }
  }
  wgmma_commit();
}

/// sums [64, columns of Right] += weights [64, rows of Right] times the rows of `right`.
template <class Right>
__device__ __forceinline__ void start_sums(float (&sums)[Right::kBoxes * 8][4],
                                           const uint32_t (&weights)[Right::kRows / 16][4],
                                           const unsigned char* right) {
#pragma unroll
  for (int step = 0; step < Right::kRows / 16; ++step) {
    wgmma_columns(sums, weights[step],
                  wgmma_descriptor(right + step * 16 * kRowBytes, Right::kBoxBytes, 1024));
  }
  wgmma_commit();
}

template <int kCount>
__device__ __forceinline__ void pack_weights(uint32_t (&packed)[kCount / 2][4],
                                             const float (&weights)[kCount][4]) {
#pragma unroll
  for (int step = 0; step < kCount / 2; ++step) pack_left(packed[step], weights, step);
}

#endif

}  // namespace athanor::cuda
