// Flash attention backward (Dao et al., 2022, algorithm 4) in two kernels, so that every sum has
// one order and one owner. One kernel keeps a tile of keys and walks the queries after them for dK
// and dV. The other keeps a tile of queries and walks the keys before them for dQ. Both compute the
// scores: seven products, where one kernel with atomic additions to dQ takes five. That is the
// price of results that are the same in every run. This file has the preparation; the two kernels
// are in backward_wgmma.cu (Hopper) and backward_mma.cu.
#include "cuda/attention/backward.h"

#include "cuda/attention/forward.h"

namespace athanor::cuda {
namespace {

constexpr int kRows = RowStatistics::kRows;
constexpr int kRowLanes = 16;  // 8 elements each at a time

__device__ __forceinline__ float dot_pair(uint32_t a, uint32_t b) {
  return __uint_as_float(a << 16) * __uint_as_float(b << 16) +
         __uint_as_float(a & 0xffff0000u) * __uint_as_float(b & 0xffff0000u);
}
__device__ __forceinline__ float dot_piece(const bf16* a, const bf16* b) {
  const uint4 x = *reinterpret_cast<const uint4*>(a), y = *reinterpret_cast<const uint4*>(b);
  return dot_pair(x.x, y.x) + dot_pair(x.y, y.y) + dot_pair(x.z, y.z) + dot_pair(x.w, y.w);
}

/// A block has 64 rows of one head, with half a warp per row.
__global__ void __launch_bounds__(kAttentionBlock)
    statistics_kernel(const __grid_constant__ BackwardArgs a, RowStatistics* statistics, const bf16* out,
                      const float* lse) {
  const TilePlace place = tile_place(a.starts, a.sequences, kRows, static_cast<int>(blockIdx.x));
  if (place.first >= place.length) return;
  const int head = static_cast<int>(blockIdx.y), piece = static_cast<int>(threadIdx.x) % kRowLanes;
  RowStatistics& to =
      statistics[static_cast<int64_t>(head) * a.statistics_tiles + static_cast<int>(blockIdx.x)];
#pragma unroll
  for (int i = 0; i < kRows * kRowLanes / kAttentionBlock; ++i) {
    const int row = (i * kAttentionBlock + static_cast<int>(threadIdx.x)) / kRowLanes;
    const bool is_there = place.first + row < place.length;
    const int64_t token = place.start + place.first + row;
    const int64_t at = token * a.out_width() + a.column(head);
    float total = 0;
    for (int column = piece * 8; is_there && column < a.head_dim; column += kRowLanes * 8) {
      total += dot_piece(a.dout + at + column, out + at + column);
    }
#pragma unroll
    for (int lanes = kRowLanes / 2; lanes > 0; lanes /= 2) {
      total += __shfl_xor_sync(kAllLanes, total, lanes);
    }
    if (piece != 0) continue;
    to.shift[row] = is_there ? lse[token * a.heads + head] * kLog2E : INFINITY;
    to.delta[row] = total;
  }
}

}  // namespace

void launch_backward(const AttentionShape& s, const void* dout, const void* qkv, const void* out,
                     const float* lse, void* dqkv, AttentionPath path) {
  const unsigned tiles = tile_count(s.tokens, s.sequences, kRows);
  const auto heads = static_cast<unsigned>(s.heads);
  const Scratch statistics(sizeof(RowStatistics) * tiles * heads);
  BackwardArgs args{};
  args.dqkv = static_cast<bf16*>(dqkv);
  args.dout = static_cast<const bf16*>(dout);
  args.qkv = static_cast<const bf16*>(qkv);
  args.statistics = statistics.as<RowStatistics>();
  args.starts = s.cu_seqlens;
  args.tokens = s.tokens;
  args.sequences = s.sequences;
  args.heads = static_cast<int>(s.heads);
  args.kv_heads = static_cast<int>(s.kv_heads);
  args.head_dim = static_cast<int>(s.head_dim);
  args.statistics_tiles = static_cast<int>(tiles);
  args.scale = s.scale;
  args.is_capped = s.softcap > 0;
  args.cap_exponent = cap_exponent(s);
  args.scale_log2 = scale_log2(s);
  args.window = static_cast<int>(s.window);
  launch(statistics_kernel, Launch{dim3(tiles, heads), kAttentionBlock}, args, statistics.as<RowStatistics>(),
         static_cast<const bf16*>(out), lse);
  path == AttentionPath::kWgmma ? launch_backward_wgmma(args) : launch_backward_mma(args);
}

}  // namespace athanor::cuda
