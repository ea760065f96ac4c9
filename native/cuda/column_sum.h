// Sums over rows: fixed blocks of rows have a partial row each, and the partial rows are
// added in order.
#pragma once

#include <algorithm>

#include "cuda/loops.h"

namespace athanor::cuda {

// Enough blocks of rows to fill a GPU with 768 channels (24 blocks per row of blocks), and partial
// rows of at most 1/16 of the memory traffic.
constexpr int64_t kMaxSumBlocks = 64;
constexpr int64_t kMinSumRows = 16;
constexpr int kSumLanes = 32, kSumRows = 8;

/// partial[block, c] = the sum over the block's rows of x[., c]; a warp reads
/// 32 neighbouring channels.
template <class T>
__global__ void __launch_bounds__(kSumLanes* kSumRows)
    partial_columns_kernel(float* partial, const T* x, int64_t rows, int64_t channels, int64_t stride,
                           int64_t block_rows) {
  ATHANOR_SHARED(float, sums, [kSumRows][kSumLanes]);
  const int64_t c = static_cast<int64_t>(blockIdx.y) * kSumLanes + threadIdx.x;
  const int64_t first = static_cast<int64_t>(blockIdx.x) * block_rows;
  const int64_t last = first + block_rows < rows ? first + block_rows : rows;
  float total = 0;
  if (c < channels) {
    for (int64_t row = first + threadIdx.y; row < last; row += kSumRows) total += widen(x[row * stride + c]);
  }
  sums[threadIdx.y][threadIdx.x] = total;
  __syncthreads();
  if (threadIdx.y != 0 || c >= channels) return;
  for (int i = 1; i < kSumRows; ++i) total += sums[i][threadIdx.x];
  partial[static_cast<int64_t>(blockIdx.x) * channels + c] = total;
}

/// out[c] += the blocks' sums in order.
static __global__ void __launch_bounds__(kBlock)
    add_columns_kernel(float* out, const float* partial, int64_t blocks, int64_t channels) {
  const int64_t c = static_cast<int64_t>(blockIdx.x) * kBlock + threadIdx.x;
  if (c >= channels) return;
  float total = 0;
  for (int64_t b = 0; b < blocks; ++b) total += partial[b * channels + c];
  out[c] += total;
}

/// out[c] += the sum over rows of x[., c]; rows are `stride` elements apart.
inline void add_column_sums(DType dtype, float* out, const void* x, int64_t rows, int64_t channels,
                            int64_t stride) {
  if (rows == 0 || channels == 0) return;
  const int64_t block_rows = std::max(kMinSumRows, ceil_divide(rows, kMaxSumBlocks));
  const int64_t blocks = ceil_divide(rows, block_rows);
  const Scratch partial(static_cast<size_t>(blocks * channels) * sizeof(float));
  const dim3 grid(static_cast<unsigned>(blocks), blocks_for(channels, kSumLanes));
  for_dtype(dtype, [&](auto type) {
    using T = decltype(type);
    launch(partial_columns_kernel<T>, Launch{grid, dim3(kSumLanes, kSumRows)}, partial.as<float>(),
           static_cast<const T*>(x), rows, channels, stride, block_rows);
  });
  launch(add_columns_kernel, Launch{blocks_for(channels, kBlock), kBlock}, out, partial.as<float>(), blocks,
         channels);
}

}  // namespace athanor::cuda
