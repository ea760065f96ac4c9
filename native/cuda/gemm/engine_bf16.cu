// The engine's own bf16 product: a block has 128 x 128 elements, each of its 8 warps 64 x 32.
// Slices of 64 along k are copied to shared memory two ahead. Operands keep their stored layout
// there; the matrix loads transpose.
#include "cuda/attention/tiles.h"
#include "cuda/gemm/epilogue.h"
#include "cuda/gemm/gemm.h"

namespace athanor::cuda {
namespace {

constexpr int kRows = 128, kColumns = 128, kDepth = 64;
constexpr int kThreads = 256;
constexpr int kWarpRows = 64, kWarpColumns = 32;
constexpr int kOperandBytes = kRows * kDepth * 2;
constexpr int kSharedBytes = 2 * 2 * kOperandBytes;  // two operands, two stages

/// An operand [extent, k], or [k, extent] where k runs along the rows of memory.
struct Operand {
  const bf16* data;
  int64_t stride, extent;
  bool is_aligned;  // all rows start at multiples of 16 bytes
};

template <class T>
struct Args {
  Operand a, b;
  int64_t k;
  StoreEpilogue<T> store;
};

/// Gathers a piece of 8 elements that does not start at a multiple of 16 bytes one by one.
__device__ __forceinline__ void gather_piece(unsigned char* to, const bf16* from, int count) {
  uint32_t pairs[4];
#pragma unroll
  for (int i = 0; i < 4; ++i) {
    const uint32_t low = 2 * i < count ? from[2 * i].bits : 0;
    const uint32_t high = 2 * i + 1 < count ? from[2 * i + 1].bits : 0;
    pairs[i] = low | high << 16;
  }
  *reinterpret_cast<uint4*>(to) = make_uint4(pairs[0], pairs[1], pairs[2], pairs[3]);
}

/// Starts copying kHeight stored rows from `row` on, kWidth elements from `column` on; zeros
/// outside of the matrix.
template <int kHeight, int kWidth>
__device__ __forceinline__ void load_stored(unsigned char* tile, const Operand& x, int64_t row, int64_t rows,
                                            int64_t column, int64_t columns) {
  constexpr int kPieces = kWidth / kVector;
#pragma unroll
  for (int i = 0; i < kHeight * kPieces / kThreads; ++i) {
    const int at = i * kThreads + static_cast<int>(threadIdx.x);
    const int r = at / kPieces, piece = at % kPieces;
    const int64_t left = row + r < rows ? columns - column - piece * kVector : 0;
    const int count = left >= kVector ? kVector : left > 0 ? static_cast<int>(left) : 0;
    const bf16* from = count > 0 ? x.data + (row + r) * x.stride + column + piece * kVector : x.data;
    unsigned char* to = tile + swizzled<kWidth>(r, piece);
    if (x.is_aligned) {
      copy_async_16(to, from, count * 2);
    } else {
      gather_piece(to, from, count);
    }
  }
}

/// Elements [first, first + 128) of an operand at steps [k, k + 64).
template <bool kAlongRows>
__device__ __forceinline__ void load_operand(unsigned char* tile, const Operand& x, int64_t first, int64_t k,
                                             int64_t depth) {
  if constexpr (kAlongRows) {
    load_stored<kDepth, kRows>(tile, x, k, depth, first, x.extent);
  } else {
    load_stored<kRows, kDepth>(tile, x, first, x.extent, k, depth);
  }
}

/// The left operand's fragment from a tile whose rows are summed over: columns [row, row + 16),
/// rows [16 step, 16 step + 16).
__device__ __forceinline__ void load_left_columns(uint32_t (&fragment)[4], const unsigned char* tile,
                                                  int lane, int row, int step) {
  const int in = lane % 8, part = lane / 8;
  load_matrices_transposed(fragment,
                           tile + swizzled<kRows>(step * 16 + in + part / 2 * 8, row / 8 + part % 2));
}

template <bool kATransposed, bool kBTransposed>
__device__ __forceinline__ void multiply_stage(float (&d)[kWarpRows / 16][kWarpColumns / 8][4],
                                               const unsigned char* a, const unsigned char* b, int lane,
                                               int row, int column) {
#pragma unroll
  for (int step = 0; step < kDepth / 16; ++step) {
    uint32_t right[kWarpColumns / 16][4];
#pragma unroll
    for (int n = 0; n < kWarpColumns / 16; ++n) {
      if constexpr (kBTransposed) {
        load_right_rows<kDepth>(right[n], b, lane, column + n * 16, step);
      } else {
        load_right_columns<kColumns>(right[n], b, lane, column + n * 16, step);
      }
    }
#pragma unroll
    for (int t = 0; t < kWarpRows / 16; ++t) {
      uint32_t left[4];
      if constexpr (kATransposed) {
        load_left_columns(left, a, lane, row + t * 16, step);
      } else {
        load_left<kDepth>(left, a, lane, row + t * 16, step);
      }
#pragma unroll
      for (int n = 0; n < kWarpColumns / 16; ++n) {
        multiply_pair(d[t][2 * n], d[t][2 * n + 1], left, right[n]);
      }
    }
  }
}

template <bool kATransposed, bool kBTransposed, class T>
__global__ void __launch_bounds__(kThreads) gemm_kernel(const __grid_constant__ Args<T> args) {
  ATHANOR_DYNAMIC_SHARED(bytes);
  const int64_t first_row = static_cast<int64_t>(blockIdx.x) * kRows;
  const int64_t first_column = static_cast<int64_t>(blockIdx.y) * kColumns;
  const auto load = [&](int stage, int64_t k) {
    unsigned char* a = bytes + stage * 2 * kOperandBytes;
    load_operand<kATransposed>(a, args.a, first_row, k, args.k);
    load_operand<!kBTransposed>(a + kOperandBytes, args.b, first_column, k, args.k);
  };
  const int lane = static_cast<int>(threadIdx.x) % kWarp, warp = static_cast<int>(threadIdx.x) / kWarp;
  const int row = warp / (kColumns / kWarpColumns) * kWarpRows,
            column = warp % (kColumns / kWarpColumns) * kWarpColumns;
  float d[kWarpRows / 16][kWarpColumns / 8][4] = {};

  load(0, 0);
  copy_async_commit();
  int stage = 0;
  for (int64_t k = 0; k < args.k; k += kDepth, stage ^= 1) {
    if (k + kDepth < args.k) load(stage ^ 1, k + kDepth);
    copy_async_commit();
    copy_async_wait<1>();
    __syncthreads();
    const unsigned char* a = bytes + stage * 2 * kOperandBytes;
    multiply_stage<kATransposed, kBTransposed>(d, a, a + kOperandBytes, lane, row, column);
    __syncthreads();  // all are done with this stage before the next but one overwrites it
  }
#pragma unroll
  for (int t = 0; t < kWarpRows / 16; ++t) {
#pragma unroll
    for (int n = 0; n < kWarpColumns / 8; ++n) {
#pragma unroll
      for (int i = 0; i < 4; ++i) {
        const int64_t r = first_row + row + t * 16 + lane / 4 + i / 2 * 8;
        const int64_t c = first_column + column + n * 8 + lane % 4 * 2 + i % 2;
        if (r < args.a.extent && c < args.b.extent) args.store(d[t][n][i], r, c);
      }
    }
  }
}

Operand operand(const void* data, int64_t stride, int64_t extent) {
  return {static_cast<const bf16*>(data), stride, extent, stride % kVector == 0 && is_aligned(data)};
}

template <bool kATransposed, bool kBTransposed>
void launch_gemm(const GemmArgs& g) {
  const int64_t dense = kATransposed ? g.m : g.k;
  const Operand a = operand(g.a, g.a_stride != 0 ? g.a_stride : dense, g.m),
                b = operand(g.b, kBTransposed ? g.k : g.n, g.n);
  const dim3 grid(blocks_for(g.m, kRows), blocks_for(g.n, kColumns));
  for_dtype(g.out_dtype, [&](auto type) {
    using T = decltype(type);
    launch(gemm_kernel<kATransposed, kBTransposed, T>, Launch{grid, kThreads, kSharedBytes},
           Args<T>{a, b, g.k, StoreEpilogue<T>(g)});
  });
}

}  // namespace

void engine_gemm_bf16(const GemmArgs& g) {
  if (g.a_transposed) return g.b_transposed ? launch_gemm<true, true>(g) : launch_gemm<true, false>(g);
  g.b_transposed ? launch_gemm<false, true>(g) : launch_gemm<false, false>(g);
}

}  // namespace athanor::cuda
