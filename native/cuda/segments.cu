// A warp per segment: segments are responses of some hundred tokens.
#include "kernels/segments.h"

#include "cuda/loops.h"

namespace athanor::cuda {
namespace {

__global__ void __launch_bounds__(kBlock)
    sum_kernel(float* out, const float* x, const int32_t* starts, int64_t segments) {
  const int64_t s = static_cast<int64_t>(blockIdx.x) * (kBlock / kWarp) + threadIdx.x / kWarp;
  if (s >= segments) return;
  double total = 0;
  for (int32_t i = starts[s] + static_cast<int32_t>(threadIdx.x % kWarp); i < starts[s + 1]; i += kWarp) {
    total += x[i];
  }
  total = warp_sum(total);
  if (threadIdx.x % kWarp == 0) out[s] = static_cast<float>(total);
}

void sum(float* out, const float* x, const int32_t* starts, int64_t segments) {
  if (segments == 0) return;
  launch(sum_kernel, Launch{blocks_for(segments, kBlock / kWarp), kBlock}, out, x, starts, segments);
}

__global__ void __launch_bounds__(kBlock)
    broadcast_kernel(float* out, const float* values, const int32_t* starts, int64_t segments) {
  const int64_t s = static_cast<int64_t>(blockIdx.x) * (kBlock / kWarp) + threadIdx.x / kWarp;
  if (s >= segments) return;
  for (int32_t i = starts[s] + static_cast<int32_t>(threadIdx.x % kWarp); i < starts[s + 1]; i += kWarp) {
    out[i] = values[s];
  }
}

void broadcast(float* out, const float* values, const int32_t* starts, int64_t segments) {
  if (segments == 0) return;
  launch(broadcast_kernel, Launch{blocks_for(segments, kBlock / kWarp), kBlock}, out, values, starts,
         segments);
}

}  // namespace

const SegmentsKernels& segments_kernels() {
  static constexpr auto kTable = complete_table<SegmentsKernels>(sum, broadcast);
  return kTable;
}

}  // namespace athanor::cuda
