#include "cuda/bench.h"

#include "cuda/loops.h"
#include "kernels/bench.h"

namespace athanor::cuda {
namespace {

// Sixteen warps per multiprocessor. Each has eight chains of products or multiply-adds, which wait
// for their own predecessors only: enough for all units to start one whenever they can.
constexpr int kBlocksPerMultiprocessor = 4;
constexpr int kThreads = 128;
constexpr int kChains = 8;

int block_count() { return multiprocessors() * kBlocksPerMultiprocessor; }

/// Adds up the results of all threads, so that the compiler cannot drop any work.
__device__ __forceinline__ void add_to_sink(float* sink, float total) {
  total = warp_sum(total);
  if (threadIdx.x % kWarp == 0) atomicAdd(sink, total);
}

constexpr uint32_t kOnes = 0x3f803f80;  // two bf16

/// A round of a warp: kChains products of 16 x 8 x 16, of ones.
__global__ void __launch_bounds__(kThreads) products_kernel(float* sink, int64_t rounds) {
  const uint32_t a[4] = {kOnes, kOnes, kOnes, kOnes}, b[2] = {kOnes, kOnes};
  float d[kChains][4] = {};
  for (int64_t round = 0; round < rounds; ++round) {
#pragma unroll
    for (int n = 0; n < kChains; ++n) mma_bf16(d[n], a, b);
  }
  float total = 0;
#pragma unroll
  for (int n = 0; n < kChains; ++n) {
#pragma unroll
    for (int i = 0; i < 4; ++i) total += d[n][i];
  }
  add_to_sink(sink, total);
}

constexpr int kTileRows = 128, kTileBytes = kTileRows * 128;

/// A round of a warpgroup: kChains products of 64 x 128 x 16, of ones, one after another into the
/// same registers, which the hardware does without a pause. On Hopper mma.sync is slower.
__global__ void __launch_bounds__(kThreads) warpgroup_products_kernel(float* sink, int64_t rounds) {
#ifdef ATHANOR_SM90A
  ATHANOR_DYNAMIC_SHARED(tile);
  for (int i = static_cast<int>(threadIdx.x) * 4; i < kTileBytes; i += kThreads * 4) {
    *reinterpret_cast<uint32_t*>(tile + i) = kOnes;
  }
  proxy_fence();
  __syncthreads();
  const uint64_t operand = wgmma_descriptor(tile, kTileBytes, 1024);
  float d[kTileRows / 8][4] = {};
  for (int64_t round = 0; round < rounds; ++round) {
    wgmma_fence(d);
#pragma unroll
    for (int n = 0; n < kChains; ++n) wgmma_rows(d, operand, operand, true);
    wgmma_commit();
    wgmma_wait<1>(d);
  }
  wgmma_wait<0>(d);
  float total = 0;
#pragma unroll
  for (int n = 0; n < kTileRows / 8; ++n) {
#pragma unroll
    for (int i = 0; i < 4; ++i) total += d[n][i];
  }
  add_to_sink(sink, total);
#endif
}

/// A round of a thread: kChains multiply-adds. x / 2 + 1 nears 2, without infinities or subnormals.
__global__ void __launch_bounds__(kThreads) multiply_adds_kernel(float* sink, int64_t rounds) {
  float chain[kChains];
#pragma unroll
  for (int i = 0; i < kChains; ++i) chain[i] = static_cast<float>(threadIdx.x + i);
#pragma unroll 16
  for (int64_t round = 0; round < rounds; ++round) {
#pragma unroll
    for (int i = 0; i < kChains; ++i) chain[i] = fmaf(chain[i], 0.5f, 1.0f);
  }
  float total = 0;
#pragma unroll
  for (int i = 0; i < kChains; ++i) total += chain[i];
  add_to_sink(sink, total);
}

double operations(double per_block, int64_t rounds) {
  return 2.0 * per_block * static_cast<double>(rounds) * block_count();
}

double multiply_add(DType dtype, int64_t rounds, float* sink) {
  if (dtype == DType::kBF16) return multiply_matrices(compute_capability() == 90, rounds, sink);
  fill_zero(sink, sizeof(float));
  launch(multiply_adds_kernel, Launch{static_cast<unsigned>(block_count()), kThreads}, sink, rounds);
  return operations(kChains * kThreads, rounds);
}

void copy(float* to, const float* from, int64_t count) { map1(to, from, count, Identity{}); }

}  // namespace

double multiply_matrices(bool by_wgmma, int64_t rounds, float* sink) {
  fill_zero(sink, sizeof(float));
  const auto blocks = static_cast<unsigned>(block_count());
  if (by_wgmma) {
    launch(warpgroup_products_kernel, Launch{blocks, kThreads, kTileBytes}, sink, rounds);
    return operations(kChains * 64.0 * kTileRows * 16.0, rounds);
  }
  launch(products_kernel, Launch{blocks, kThreads}, sink, rounds);
  return operations(kChains * (kThreads / kWarp) * 16.0 * 8.0 * 16.0, rounds);
}

const BenchKernels& bench_kernels() {
  static constexpr auto kTable = complete_table<BenchKernels>(multiply_add, copy);
  return kTable;
}

}  // namespace athanor::cuda
