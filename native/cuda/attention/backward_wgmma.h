// The parts that the two kernels of attention's backward pass on Hopper share: the layout of shared
// memory, and the producer warp that streams pairs of tiles through it.
#pragma once

#include "cuda/attention/backward.h"
#include "cuda/attention/wgmma.h"

namespace athanor::cuda {

/// A block's part of the work. `kPassed` is the number of rows of a tile that passes.
template <int kHeadDim, int kGroups, int kPassed, int kStageCount, bool kByKeys>
struct Pass {
  using Own = Tile<kHeadDim, kGroupRows>;  // of one consumer
  using Passing = Tile<kHeadDim, kPassed>;
  static constexpr int kDim = kHeadDim, kConsumers = kGroups, kStages = kStageCount;
  static constexpr int kRows = kConsumers * kGroupRows, kThreads = (kConsumers + 1) * kGroup;
  // Of the queries that pass.
  static constexpr int kStatisticsBytes = kByKeys ? sizeof(RowStatistics) : 0;
  static constexpr int kStageBytes = 2 * Passing::kBytes + kStatisticsBytes;
  struct Barriers {
    uint64_t own;   // have landed
    uint64_t tail;  // the last tiles of a sequence have landed, to be cleaned
    uint64_t full[kStages], empty[kStages];
  };
  static constexpr size_t kSharedBytes =
      kTileAlignment + 2 * kConsumers * Own::kBytes + kStages * kStageBytes + sizeof(Barriers);
  static_assert(!kByKeys || kPassed == RowStatistics::kRows);
};
struct Tensors {
  TensorMap own[2], passing[2];
};

#ifdef ATHANOR_SM90A

/// A block's shared memory. Of the two operands, 0 takes part in the scores and 1 in
/// the weights' gradients.
template <class P>
struct Memory {
  unsigned char* tiles;

  __device__ unsigned char* own(int operand, int group) const {
    return tiles + (operand * P::kConsumers + group) * P::Own::kBytes;
  }
  __device__ unsigned char* passing(int operand, int stage) const {
    return own(2, 0) + (2 * stage + operand) * P::Passing::kBytes;
  }
  __device__ RowStatistics& statistics(int stage) const {
    return reinterpret_cast<RowStatistics*>(passing(0, P::kStages))[stage];
  }
  __device__ typename P::Barriers& barriers() const {
    return *reinterpret_cast<typename P::Barriers*>(passing(0, P::kStages) +
                                                    P::kStages * P::kStatisticsBytes);
  }
};

/// Where a block's own rows are in their tensors, and the tiles of the same sequence that pass it,
/// head after head.
struct Source {
  int row, length;  // of the sequence, from the first row that passes on
  int own_row, own_columns[2];
  int first_tile, end_tile, heads, columns[2];
  const RowStatistics* statistics;  // of the first head's first tile, where they pass too
  int statistics_tiles;             // from head to head
};

/// The producer warp: lane 0 starts the copies, all lanes clear the end of a sequence.
template <class P>
__device__ __forceinline__ void produce(const Tensors& tensors, const Source& from, const Memory<P>& memory) {
  using Tile = typename P::Passing;
  typename P::Barriers& barriers = memory.barriers();
  const int lane = static_cast<int>(threadIdx.x) % kWarp;
  if (lane == 0) {
    mbarrier_arrive_expect(&barriers.own, 2 * P::kConsumers * P::Own::kBytes);
    for (int i = 0; i < 2; ++i) {
      copy_tiles<typename P::Own, P::kConsumers>(memory.own(i, 0), tensors.own[i], from.own_columns[i],
                                                 from.own_row, &barriers.own);
    }
  }
  int round = 0;
  for (int head = 0; head < from.heads; ++head) {
    for (int tile = from.first_tile; tile < from.end_tile; ++tile) {
      const Stage<P::kStages> stage(round++);
      const int rows_left = from.length - tile * Tile::kRows;
      uint64_t* full = &barriers.full[stage.index];
      mbarrier_wait(&barriers.empty[stage.index], stage.parity ^ 1);
      if (lane == 0) {
        uint64_t* landed = rows_left >= Tile::kRows ? full : &barriers.tail;
        mbarrier_arrive_expect(landed, P::kStageBytes);
        for (int i = 0; i < 2; ++i) {
          copy_tile<Tile>(memory.passing(i, stage.index), tensors.passing[i],
                          from.columns[i] + head * P::kDim, from.row + tile * Tile::kRows, landed);
        }
        if constexpr (P::kStatisticsBytes > 0) {
          bulk_copy(&memory.statistics(stage.index), from.statistics + head * from.statistics_tiles + tile,
                    P::kStatisticsBytes, landed);
        }
      }
      if (rows_left >= Tile::kRows) continue;
      mbarrier_wait(&barriers.tail, static_cast<unsigned>(head) % 2);
      for (int i = 0; i < 2; ++i) clear_rows<Tile>(memory.passing(i, stage.index), rows_left, lane);
      proxy_fence();
      __syncwarp();
      if (lane == 0) mbarrier_arrive(full);
    }
  }
}

/// The work of every block; `consume` is the consumers' part.
template <class P, class Consume>
__device__ __forceinline__ void run_pass(const Tensors& tensors, const Source& from, const Memory<P>& memory,
                                         const Consume& consume) {
  typename P::Barriers& barriers = memory.barriers();
  if (threadIdx.x == 0) {
    mbarrier_init(&barriers.own, 1);
    mbarrier_init(&barriers.tail, 1);
    for (int stage = 0; stage < P::kStages; ++stage) {
      mbarrier_init(&barriers.full[stage], 1);
      mbarrier_init(&barriers.empty[stage], 4 * P::kConsumers);
    }
    mbarrier_fence_init();
  }
  __syncthreads();
  if (threadIdx.x < P::kConsumers * kGroup) {
    take_registers<kConsumerRegisters<P::kConsumers>>();
    consume();
    return;
  }
  give_registers<kProducerRegisters<P::kConsumers>>();
  if (threadIdx.x < P::kConsumers * kGroup + kWarp) produce<P>(tensors, from, memory);
}

#endif

}  // namespace athanor::cuda
