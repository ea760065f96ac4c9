#include "kernels/bench.h"

#include "cuda/loops.h"

namespace athanor::cuda {
namespace {

// Sixteen warps a multiprocessor, each with eight products or multiply-adds under way that wait for nothing
// but their own predecessors: enough for all units to start one whenever they can.
constexpr int kBlocksPerMultiprocessor = 4;
constexpr int kThreads = 128;
constexpr int kChains = 8;

int block_count() { return multiprocessors() * kBlocksPerMultiprocessor; }

/// Adds up what all threads have, so that no work can be left out.
__device__ __forceinline__ void add_to_sink(float* sink, float total) {
  total = warp_sum(total);
  if (threadIdx.x % kWarp == 0) atomicAdd(sink, total);
}

/// A round of a warp: kChains products of 16 x 8 x 16, of ones.
__global__ void __launch_bounds__(kThreads) products_kernel(float* sink, int64_t rounds) {
  constexpr uint32_t kOnes = 0x3f803f80;
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

double multiply_add(DType dtype, int64_t rounds, float* sink) {
  const bool is_products = dtype == DType::kBF16;
  fill_zero(sink, sizeof(float));
  const int blocks = block_count();
  launch(is_products ? products_kernel : multiply_adds_kernel,
         Launch{static_cast<unsigned>(blocks), kThreads}, sink, rounds);
  const double per_round = kChains * (is_products ? kThreads / kWarp * 16.0 * 8.0 * 16.0 : kThreads * 1.0);
  return 2.0 * per_round * static_cast<double>(rounds) * blocks;
}

void copy(float* to, const float* from, int64_t count) { map1(to, from, count, Same{}); }

}  // namespace

const BenchKernels& bench_kernels() {
  static constexpr BenchKernels kTable = {multiply_add, copy};
  return kTable;
}

}  // namespace athanor::cuda
