// Totals of a loss: each block adds up its chunk of the elements, the host adds the chunks in
// order. A total is a struct of doubles. A loss is a struct with `operator()(Total&, int64_t i)`,
// which adds element i, and `merge(Total&, const Total&)`.
#pragma once

#include <vector>

#include "cuda/loops.h"

namespace athanor::cuda {

constexpr int64_t kTotalsChunk = 2048;

/// Merges the totals of lanes that are `lanes` apart, in both.
template <class Loss, class Total>
__device__ __forceinline__ void merge_lanes(Total& total, int lanes) {
  constexpr int kCount = sizeof(Total) / sizeof(double);
  double own[kCount], other[kCount];
  memcpy(own, &total, sizeof total);
#pragma unroll
  for (int i = 0; i < kCount; ++i) other[i] = __shfl_xor_sync(kAllLanes, own[i], lanes);
  Total theirs;
  memcpy(&theirs, other, sizeof theirs);
  Loss::merge(total, theirs);
}

/// partial[block] = the total of loss(total, i) over the block's elements.
template <class Total, class Loss>
__global__ void __launch_bounds__(kBlock) totals_kernel(Total* partial, int64_t count, Loss loss) {
  ATHANOR_SHARED(double, scratch, [kBlock / kWarp][sizeof(Total) / sizeof(double)]);
  const int64_t begin = static_cast<int64_t>(blockIdx.x) * kTotalsChunk;
  const int64_t end = begin + kTotalsChunk < count ? begin + kTotalsChunk : count;
  Total total{};
  for (int64_t i = begin + threadIdx.x; i < end; i += kBlock) loss(total, i);
#pragma unroll
  for (int lanes = kWarp / 2; lanes > 0; lanes /= 2) merge_lanes<Loss>(total, lanes);
  if (threadIdx.x % kWarp == 0) memcpy(scratch[threadIdx.x / kWarp], &total, sizeof total);
  __syncthreads();
  if (threadIdx.x != 0) return;
  for (int warp = 1; warp < kBlock / kWarp; ++warp) {
    Total theirs;
    memcpy(&theirs, scratch[warp], sizeof theirs);
    Loss::merge(total, theirs);
  }
  partial[blockIdx.x] = total;
}

/// Waits for the result: the host needs the number.
template <class Total, class Loss>
Total totals(int64_t count, Loss loss) {
  static_assert(sizeof(Total) % sizeof(double) == 0, "a total is a struct of doubles");
  Total all{};
  if (count == 0) return all;
  const unsigned chunks = blocks_for(count, kTotalsChunk);
  const Scratch memory(chunks * sizeof(Total));
  launch(totals_kernel<Total, Loss>, Launch{chunks, kBlock}, memory.as<Total>(), count, loss);
  std::vector<Total> partial(chunks);
  copy_to_host(partial.data(), memory.as<Total>(), chunks * sizeof(Total));
  for (const Total& part : partial) Loss::merge(all, part);
  return all;
}

}  // namespace athanor::cuda
