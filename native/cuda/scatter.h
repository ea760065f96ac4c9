// target[indices[i]] += source[i] without atomics, so in one order: a stable radix sort brings
// equal indices together, and a warp adds each run of them in the order of i. The sort moves 16
// bytes per row four times, which is little beside the rows themselves.
#pragma once

#include "cuda/loops.h"

namespace athanor::cuda {

constexpr int kSortWarps = 8;
constexpr int kSortBlock = kSortWarps * kWarp;
constexpr int kSortRounds = 4;  // keys per lane
constexpr int kSortTile = kSortBlock * kSortRounds;
constexpr int kDigits = 256;

struct SortPass {
  const int32_t* keys;
  const int32_t* order;  // null in the first pass: the order is 0, 1, 2, ...
  int32_t* next_keys;
  int32_t* next_order;
  int32_t* offsets;  // [tiles, kDigits]
  int64_t count;
  int shift;
};

__device__ __forceinline__ int digit_of(int32_t key, int shift) {
  return static_cast<int>(static_cast<uint32_t>(key) >> shift) & (kDigits - 1);
}

/// offsets[tile, d] = how many keys of the tile have digit d.
static __global__ void __launch_bounds__(kSortBlock) count_digits_kernel(SortPass pass) {
  ATHANOR_SHARED(int, counts, [kDigits]);
  counts[threadIdx.x] = 0;
  __syncthreads();
  for (int i = 0; i < kSortRounds; ++i) {
    const int64_t at = static_cast<int64_t>(blockIdx.x) * kSortTile + i * kSortBlock + threadIdx.x;
    if (at < pass.count) atomicAdd(&counts[digit_of(pass.keys[at], pass.shift)], 1);
  }
  __syncthreads();
  pass.offsets[static_cast<int64_t>(blockIdx.x) * kDigits + threadIdx.x] = counts[threadIdx.x];
}

/// Turns counts into the places where each tile's keys of a digit begin. A thread per digit.
static __global__ void __launch_bounds__(kDigits) scan_digits_kernel(int32_t* offsets, int64_t tiles) {
  ATHANOR_SHARED(int, totals, [kDigits]);
  int total = 0;
  for (int64_t t = 0; t < tiles; ++t) total += offsets[t * kDigits + threadIdx.x];
  totals[threadIdx.x] = total;
  __syncthreads();
  int begin = 0;
  for (unsigned d = 0; d < threadIdx.x; ++d) begin += totals[d];
  for (int64_t t = 0; t < tiles; ++t) {
    const int count = offsets[t * kDigits + threadIdx.x];
    offsets[t * kDigits + threadIdx.x] = begin;
    begin += count;
  }
}

/// The lanes whose digit is the caller's; lanes past the end hold a digit of their own, kDigits.
__device__ __forceinline__ uint32_t lanes_with_digit(int digit) {
  uint32_t same = kAllLanes;
#pragma unroll
  for (int bit = 0; bit <= 8; ++bit) {
    const uint32_t ones = __ballot_sync(kAllLanes, digit >> bit & 1);
    same &= (digit >> bit & 1) ? ones : ~ones;
  }
  return same;
}

/// A warp has a run of the tile and counters of its own, so that equal digits stay in order.
static __global__ void __launch_bounds__(kSortBlock) move_keys_kernel(SortPass pass) {
  ATHANOR_SHARED(int, next, [kSortWarps][kDigits]);
  const int lane = static_cast<int>(threadIdx.x) % kWarp, warp = static_cast<int>(threadIdx.x) / kWarp;
  for (int w = 0; w < kSortWarps; ++w) next[w][threadIdx.x] = 0;
  __syncthreads();
  const int64_t first = static_cast<int64_t>(blockIdx.x) * kSortTile + warp * kSortRounds * kWarp;
  for (int i = 0; i < kSortRounds; ++i) {
    const int64_t at = first + i * kWarp + lane;
    if (at < pass.count) atomicAdd(&next[warp][digit_of(pass.keys[at], pass.shift)], 1);
  }
  __syncthreads();
  int begin = pass.offsets[static_cast<int64_t>(blockIdx.x) * kDigits + threadIdx.x];
  for (int w = 0; w < kSortWarps; ++w) {
    const int count = next[w][threadIdx.x];
    next[w][threadIdx.x] = begin;
    begin += count;
  }
  __syncthreads();
  for (int i = 0; i < kSortRounds; ++i) {
    const int64_t at = first + i * kWarp + lane;
    const bool is_key = at < pass.count;
    const int32_t key = is_key ? pass.keys[at] : 0;
    const int digit = is_key ? digit_of(key, pass.shift) : kDigits;
    const uint32_t same = lanes_with_digit(digit);
    const int before = __popc(same & ((1u << lane) - 1));
    const int to = is_key ? next[warp][digit] + before : 0;
    __syncwarp();
    if (is_key && before == 0) next[warp][digit] += __popc(same);
    __syncwarp();
    if (is_key) {
      pass.next_keys[to] = key;
      pass.next_order[to] = pass.order != nullptr ? pass.order[at] : static_cast<int32_t>(at);
    }
  }
}

/// A warp per run of equal keys and 32 vectors of channels; warps whose key is not the first of a
/// run have nothing to do. Four rows are loaded at once.
template <int kWidth, class Target, class Source>
// 4: registers for the four rows are worth more than another block.
__global__ void __launch_bounds__(kBlock, 4)
    add_runs_kernel(Target* target, const Source* source, const int32_t* keys, const int32_t* order,
                    int64_t rows, int64_t channels) {
  const int64_t i = static_cast<int64_t>(blockIdx.x) * (kBlock / kWarp) + threadIdx.x / kWarp;
  const int64_t c = (static_cast<int64_t>(blockIdx.y) * kWarp + threadIdx.x % kWarp) * kWidth;
  if (i >= rows || c >= channels || (i > 0 && keys[i - 1] == keys[i])) return;
  const int32_t key = keys[i];
  float total[kWidth];
  load(total, target + key * channels + c);
  int64_t j = i;
  for (; j + 3 < rows && keys[j + 3] == key; j += 4) {
    float x[4][kWidth];
#pragma unroll
    for (int k = 0; k < 4; ++k) load(x[k], source + order[j + k] * channels + c);
#pragma unroll
    for (int k = 0; k < 4; ++k) {
#pragma unroll
      for (int e = 0; e < kWidth; ++e) total[e] += x[k][e];
    }
  }
  for (; j < rows && keys[j] == key; ++j) {
    float x[kWidth];
    load(x, source + order[j] * channels + c);
#pragma unroll
    for (int e = 0; e < kWidth; ++e) total[e] += x[e];
  }
  store(target + key * channels + c, total);
}

template <class Target, class Source>
void scatter_add(Target* target, const Source* source, const int32_t* indices, int64_t rows,
                 int64_t channels) {
  if (rows == 0 || channels == 0) return;
  const unsigned tiles = blocks_for(rows, kSortTile);
  const Scratch memory(static_cast<size_t>(4 * rows + tiles * kDigits) * sizeof(int32_t));
  auto* buffers = memory.as<int32_t>();
  int32_t *keys[2] = {buffers, buffers + rows}, *order[2] = {buffers + 2 * rows, buffers + 3 * rows};
  SortPass pass{indices, nullptr, keys[0], order[0], buffers + 4 * rows, rows, 0};
  for (int i = 0; i < 4; ++i) {
    launch(count_digits_kernel, Launch{tiles, kSortBlock}, pass);
    launch(scan_digits_kernel, Launch{1, kDigits}, pass.offsets, static_cast<int64_t>(tiles));
    launch(move_keys_kernel, Launch{tiles, kSortBlock}, pass);
    pass = {keys[i % 2], order[i % 2], keys[1 - i % 2], order[1 - i % 2], pass.offsets, rows, 8 * (i + 1)};
  }
  for_width(are_vector_rows(channels, target, source), [&](auto width) {
    const dim3 grid(blocks_for(rows, kBlock / kWarp), blocks_for(channels, kWarp * width));
    launch(add_runs_kernel<width, Target, Source>, Launch{grid, kBlock}, target, source, pass.keys,
           pass.order, rows, channels);
  });
}

}  // namespace athanor::cuda
