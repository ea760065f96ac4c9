// The engine's own f32 product, without tensor cores, which would round its inputs to TF32. A block
// has 64 x 64 elements, a thread 4 x 4 of them. Each element is one chain of fused multiply-adds
// over k in rising order.
#include "cuda/gemm/epilogue.h"
#include "cuda/gemm/gemm.h"

namespace athanor::cuda {
namespace {

constexpr int kTile = 64, kDepth = 16, kThreads = 256;
constexpr int kOwn = 4;             // rows and columns of a thread
constexpr int kPadded = kTile + 4;  // spreads a column over banks

/// Element (i, k) is at i * step + k * depth_step; one of the two is 1.
struct Operand {
  const float* data;
  int64_t step, depth_step, extent;
};

template <class T>
struct Args {
  Operand a, b;
  int64_t k;
  StoreEpilogue<T> store;
};

/// tile[k][i]; neighbouring threads read neighbouring memory. Zeros outside of the matrix.
__device__ __forceinline__ void load_tile(float4 (&tile)[kDepth][kPadded / 4], const Operand& x,
                                          int64_t first, int64_t first_k, int64_t depth) {
  auto* elements = reinterpret_cast<float*>(tile);
#pragma unroll
  for (int i = 0; i < kTile * kDepth / kThreads; ++i) {
    const int at = i * kThreads + static_cast<int>(threadIdx.x);
    const int k = x.step == 1 ? at / kTile : at % kDepth, row = x.step == 1 ? at % kTile : at / kDepth;
    const bool is_inside = first + row < x.extent && first_k + k < depth;
    elements[k * kPadded + row] =
        is_inside ? x.data[(first + row) * x.step + (first_k + k) * x.depth_step] : 0.0f;
  }
}

template <class T>
__global__ void __launch_bounds__(kThreads) gemm_kernel(const __grid_constant__ Args<T> args) {
  ATHANOR_SHARED(float4, a_tile, [kDepth][kPadded / 4]);
  ATHANOR_SHARED(float4, b_tile, [kDepth][kPadded / 4]);
  const int64_t first_row = static_cast<int64_t>(blockIdx.x) * kTile;
  const int64_t first_column = static_cast<int64_t>(blockIdx.y) * kTile;
  const int row = static_cast<int>(threadIdx.x) / (kTile / kOwn) * kOwn,
            column = static_cast<int>(threadIdx.x) % (kTile / kOwn) * kOwn;
  float d[kOwn][kOwn] = {};
  for (int64_t k = 0; k < args.k; k += kDepth) {
    load_tile(a_tile, args.a, first_row, k, args.k);
    load_tile(b_tile, args.b, first_column, k, args.k);
    __syncthreads();
#pragma unroll
    for (int step = 0; step < kDepth; ++step) {
      const float4 a = a_tile[step][row / 4], b = b_tile[step][column / 4];
      const float left[kOwn] = {a.x, a.y, a.z, a.w}, right[kOwn] = {b.x, b.y, b.z, b.w};
#pragma unroll
      for (int i = 0; i < kOwn; ++i) {
#pragma unroll
        for (int j = 0; j < kOwn; ++j) d[i][j] = fmaf(left[i], right[j], d[i][j]);
      }
    }
    __syncthreads();
  }
#pragma unroll
  for (int i = 0; i < kOwn; ++i) {
#pragma unroll
    for (int j = 0; j < kOwn; ++j) {
      const int64_t r = first_row + row + i, c = first_column + column + j;
      if (r < args.a.extent && c < args.b.extent) args.store(d[i][j], r, c);
    }
  }
}

}  // namespace

void engine_gemm_f32(const GemmArgs& g) {
  const int64_t a_stride = g.a_stride != 0 ? g.a_stride : g.a_transposed ? g.m : g.k;
  const int64_t b_stride = g.b_transposed ? g.k : g.n;
  const Operand a{static_cast<const float*>(g.a), g.a_transposed ? 1 : a_stride,
                  g.a_transposed ? a_stride : 1, g.m};
  const Operand b{static_cast<const float*>(g.b), g.b_transposed ? b_stride : 1,
                  g.b_transposed ? 1 : b_stride, g.n};
  const dim3 grid(blocks_for(g.m, kTile), blocks_for(g.n, kTile));
  for_dtype(g.out_dtype, [&](auto type) {
    using T = decltype(type);
    launch(gemm_kernel<T>, Launch{grid, kThreads}, Args<T>{a, b, g.k, StoreEpilogue<T>(g)});
  });
}

}  // namespace athanor::cuda
