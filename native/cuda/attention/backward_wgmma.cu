// The backward pass for Hopper, in the two kernels of backward.cu. A block keeps tiles of
// two operands, 64 rows of each a consumer warpgroup, and a producer warp streams pairs of tiles
// past them through tensor copies: queries and dout past keys and values, or keys and values past
// queries and dout. Either way a warpgroup multiplies the tiles that it keeps by the tiles that
// pass, for scores and for the weights' gradients. It makes the scores' gradients of these and
// multiplies the results by the tiles that pass; in these products the registers of the weights are
// the left operand as they are. The weights are computed while the second product runs.
//
// Why these sizes, counted per warpgroup and pair of tiles: clocks of the tensor cores, and of
// shared memory (128 bytes per clock) with the copies. dK and dV, 64 keys and 64 queries: head size
// 64 512 and 428, 128 1,024 and 898; with 128 queries the accumulators alone would take 192
// registers per thread at size 64 and all 256 at size 128. dQ, 64 queries and 128 keys: 768 and
// 640, 1,536 and 1,280; with 64 keys size 128 would take 768 of each. In addition, exponentials
// take 256 clocks for 64 x 64. Three warpgroups for dK and dV at head size 64, where scores, their
// gradients, dK and dV (32 registers each) fit into 160: the others multiply while one computes
// exponentials, and a pair comes from L2 for 1,536 clocks of products. Elsewhere there are two with
// 240 registers, which hold up to 192 accumulators; for dQ at size 64 one product can then continue
// into the next pair of tiles.
#include "cuda/attention/backward_wgmma.h"

#include "cuda/attention/forward.h"

namespace athanor::cuda {
namespace {

template <int kDim>
using KeysPass = Pass<kDim, kDim == 64 ? 3 : 2, 64, 3, true>;
template <int kDim>
using QueriesPass = Pass<kDim, 2, 128, 2, false>;

#ifdef ATHANOR_SM90A

/// Hides queries before a lane's keys, and those whose windows begin after them; the tile's first
/// query comes `apart` after the warp's first key.
template <int kCount>
__device__ __forceinline__ void mask_queries(float (&scores)[kCount][4], int apart, int window) {
  const int lane = static_cast<int>(threadIdx.x) % kWarp;
#pragma unroll
  for (int n = 0; n < kCount; ++n) {
#pragma unroll
    for (int i = 0; i < 4; ++i) {
      const int distance = apart + n * 8 + lane % 4 * 2 + i % 2 - (lane / 4 + i / 2 * 8);
      if (distance < 0 || distance >= window) scores[n][i] = -INFINITY;
    }
  }
}

/// A pair of tiles: the weights and the scores' gradients, [64, rows that pass]. `mask` is called
/// when the scores are complete; shift(n, i) and delta(n, i) belong to the query of weights[n][i].
template <class P, int kCount, class Mask, class Shift, class Delta>
__device__ __forceinline__ void weigh_pair(float (&weights)[kCount][4], float (&dscores)[kCount][4],
                                           const Memory<P>& memory, int group, int stage, float scale_log2,
                                           const Mask& mask, const Shift& shift, const Delta& delta) {
  using Own = typename P::Own;
  using Passing = typename P::Passing;
  // Start both products; the weights are computed while the second runs.
  wgmma_fence(weights, dscores);
  start_scores<Own, Passing>(weights, memory.own(0, group), memory.passing(0, stage));
  start_scores<Own, Passing>(dscores, memory.own(1, group), memory.passing(1, stage));
  wgmma_wait<1>(weights);
  mask();
#pragma unroll
  for (int n = 0; n < kCount; ++n) {
#pragma unroll
    for (int i = 0; i < 4; ++i) {
      weights[n][i] = exp2_approximate(fmaf(weights[n][i], scale_log2, -shift(n, i)));
    }
  }
  // Gradients of the scores.
  wgmma_wait<0>(dscores);
#pragma unroll
  for (int n = 0; n < kCount; ++n) {
#pragma unroll
    for (int i = 0; i < 4; ++i) dscores[n][i] = weights[n][i] * (dscores[n][i] - delta(n, i));
  }
}

/// dK and dV of a warpgroup's 64 keys, over all query heads of their head. Scores are
/// transposed, [keys, queries].
template <class P>
__device__ __forceinline__ void consume_queries(const BackwardArgs& a, const TilePlace& place, int kv_head,
                                                const Source& from, const Memory<P>& memory) {
  using Queries = typename P::Passing;
  typename P::Barriers& barriers = memory.barriers();
  const int group = static_cast<int>(threadIdx.x) / kGroup, lane = static_cast<int>(threadIdx.x) % kWarp;
  const int warp_row = static_cast<int>(threadIdx.x) % kGroup / kWarp * 16;
  const int first = place.first + group * kGroupRows;
  float dk[P::kDim / 8][4] = {}, dv[P::kDim / 8][4] = {};
  float weights[Queries::kRows / 8][4] = {}, dscores[Queries::kRows / 8][4] = {};
  uint32_t left_weights[Queries::kRows / 16][4], left_dscores[Queries::kRows / 16][4];
  mbarrier_wait(&barriers.own, 0);
  int round = 0;
  for (int head = 0; head < from.heads; ++head) {
    for (int tile = from.first_tile; tile < from.end_tile; ++tile) {
      const Stage<P::kStages> stage(round++);
      mbarrier_wait(&barriers.full[stage.index], stage.parity);
      // Queries before the keys belong to the groups before, and some are too far for this group.
      const int apart = tile * Queries::kRows - first;
      if (apart >= 0 && apart - kGroupRows + 1 < a.window) {
        const RowStatistics& rows = memory.statistics(stage.index);
        const auto of_query = [&](const float* statistic, int n, int i) {
          const float2 pair = *reinterpret_cast<const float2*>(statistic + n * 8 + lane % 4 * 2);
          return i % 2 == 0 ? pair.x : pair.y;
        };
        weigh_pair<P>(
            weights, dscores, memory, group, stage.index, a.scale * kLog2E,
            [&] {
              if (apart == 0 || apart + Queries::kRows > a.window) {
                mask_queries(weights, apart - warp_row, a.window);
              }
            },
            [&](int n, int i) { return of_query(rows.shift, n, i); },
            [&](int n, int i) { return of_query(rows.delta, n, i); });
        pack_weights(left_weights, weights);
        pack_weights(left_dscores, dscores);
        // Add to dV and dK.
        wgmma_fence(dv, left_weights);
        start_sums<Queries>(dv, left_weights, memory.passing(1, stage.index));
        wgmma_fence(dk, left_dscores);
        start_sums<Queries>(dk, left_dscores, memory.passing(0, stage.index));
        wgmma_wait<1>(dv);
        wgmma_wait<0>(dk);
      }
      release(&barriers.empty[stage.index]);
    }
  }
  // Write dV and dK.
  bf16* out = a.dqkv + place.start * a.width();
  const float one[2] = {1.0f, 1.0f}, scale[2] = {a.scale, a.scale};
  const int row = first + warp_row;
  store_rows<P::kDim>(out + a.value_column(kv_head), a.width(), dv, row, place.length, P::kDim, one);
  store_rows<P::kDim>(out + a.key_column(kv_head), a.width(), dk, row, place.length, P::kDim, scale);
}

/// dQ of a warpgroup's 64 queries of one head.
template <class P>
__device__ __forceinline__ void consume_keys(const BackwardArgs& a, const TilePlace& place, int head,
                                             const Source& from, const Memory<P>& memory) {
  using Keys = typename P::Passing;
  // The product of one pair continues into the next where the registers hold its left
  // operand as well.
  constexpr bool kRunsOn = P::kDim == 64;
  typename P::Barriers& barriers = memory.barriers();
  const int group = static_cast<int>(threadIdx.x) / kGroup;
  const int warp_row = static_cast<int>(threadIdx.x) % kGroup / kWarp * 16;
  const int first = place.first + group * kGroupRows, row = first + warp_row;
  // Keys before all windows of the block do not pass.
  const int skipped = from.row - static_cast<int>(place.start), position = row - skipped;
  // The tiles that the group's last row sees; none where all its rows are past the end.
  const int last = first + kGroupRows < place.length ? first + kGroupRows : place.length;
  const int own_tiles = first < place.length ? (last - skipped + Keys::kRows - 1) / Keys::kRows : 0;
  if (own_tiles > 0) {
    const RowStatistics& rows = *a.statistics_of(place, head, first);
    const int at = warp_row + static_cast<int>(threadIdx.x) % kWarp / 4;
    const float shift[2] = {rows.shift[at], rows.shift[at + 8]},
                delta[2] = {rows.delta[at], rows.delta[at + 8]};
    float dq[P::kDim / 8][4] = {}, weights[Keys::kRows / 8][4] = {}, dscores[Keys::kRows / 8][4] = {};
    uint32_t left_dscores[Keys::kRows / 16][4];
    const auto release_tile = [&](int tile) { release(&barriers.empty[Stage<P::kStages>(tile).index]); };
    mbarrier_wait(&barriers.own, 0);
    for (int tile = 0; tile < own_tiles; ++tile) {
      const Stage<P::kStages> stage(tile);
      mbarrier_wait(&barriers.full[stage.index], stage.parity);
      weigh_pair<P>(
          weights, dscores, memory, group, stage.index, a.scale * kLog2E,
          [&] {
            if (kRunsOn && tile > 0) release_tile(tile - 1);
            if ((tile + 1) * Keys::kRows > position || position + 15 - tile * Keys::kRows >= a.window) {
              mask_scores(weights, tile * Keys::kRows, position, a.window);
            }
          },
          [&](int, int i) { return shift[i / 2]; }, [&](int, int i) { return delta[i / 2]; });
      pack_weights(left_dscores, dscores);
      // Add to dQ.
      wgmma_fence(dq, left_dscores);
      start_sums<Keys>(dq, left_dscores, memory.passing(0, stage.index));
      if constexpr (!kRunsOn) {
        wgmma_wait<0>(dq);
        release_tile(tile);
      }
    }
    if constexpr (kRunsOn) {
      wgmma_wait<0>(dq);
      release_tile(own_tiles - 1);
    }
    // Write dQ.
    const float scale[2] = {a.scale, a.scale};
    store_rows<P::kDim>(a.dqkv + place.start * a.width() + a.column(head), a.width(), dq, row, place.length,
                        P::kDim, scale);
  }
  // Tiles that other groups still need have to be released by this group as well, and no copy may
  // land after the block ends.
  for (int tile = own_tiles; tile < from.end_tile; ++tile) {
    const Stage<P::kStages> stage(tile);
    mbarrier_wait(&barriers.full[stage.index], stage.parity);
    release(&barriers.empty[stage.index]);
  }
}

#endif

template <int kDim>
__global__ void __launch_bounds__(KeysPass<kDim>::kThreads, 1)
    wgmma_keys_kernel([[maybe_unused]] const __grid_constant__ BackwardArgs a,
                      [[maybe_unused]] const __grid_constant__ Tensors tensors) {
#ifdef ATHANOR_SM90A
  using P = KeysPass<kDim>;
  const TilePlace place = tile_place(a.starts, a.sequences, P::kRows, static_cast<int>(blockIdx.x));
  if (place.first >= place.length) return;
  ATHANOR_DYNAMIC_SHARED(bytes);
  const Memory<P> memory{align_tiles(bytes)};
  const int kv_head = static_cast<int>(blockIdx.y), heads = a.heads / a.kv_heads, head = kv_head * heads;
  constexpr int kQueries = P::Passing::kRows;
  const int reach = place.first + P::kRows - 1 + a.window;
  const int end = reach < place.length ? reach : place.length;
  const Source from{static_cast<int>(place.start),
                    place.length,
                    static_cast<int>(place.start) + place.first,
                    {a.key_column(kv_head), a.value_column(kv_head)},
                    place.first / kQueries,
                    (end + kQueries - 1) / kQueries,
                    heads,
                    {a.column(head), a.column(head)},
                    a.statistics_of(place, head, 0),
                    a.statistics_tiles};
  run_pass<P>(tensors, from, memory, [&] { consume_queries<P>(a, place, kv_head, from, memory); });
#endif
}

template <int kDim>
__global__ void __launch_bounds__(QueriesPass<kDim>::kThreads, 1)
    wgmma_queries_kernel([[maybe_unused]] const __grid_constant__ BackwardArgs a,
                         [[maybe_unused]] const __grid_constant__ Tensors tensors) {
#ifdef ATHANOR_SM90A
  using P = QueriesPass<kDim>;
  // Late tiles see the most keys, so they start first.
  const TilePlace place =
      tile_place(a.starts, a.sequences, P::kRows, static_cast<int>(gridDim.x - 1 - blockIdx.x));
  if (place.first >= place.length) return;
  ATHANOR_DYNAMIC_SHARED(bytes);
  const Memory<P> memory{align_tiles(bytes)};
  const int head = static_cast<int>(blockIdx.y), kv_head = head / (a.heads / a.kv_heads);
  constexpr int kKeys = P::Passing::kRows;
  const int last = place.first + P::kRows < place.length ? place.first + P::kRows : place.length;
  const int skipped = first_key(place.first, a.window) / kKeys * kKeys;
  const Source from{static_cast<int>(place.start) + skipped,
                    place.length - skipped,
                    static_cast<int>(place.start) + place.first,
                    {a.column(head), a.column(head)},
                    0,
                    (last - skipped + kKeys - 1) / kKeys,
                    1,
                    {a.key_column(kv_head), a.value_column(kv_head)},
                    nullptr,
                    0};
  run_pass<P>(tensors, from, memory, [&] { consume_keys<P>(a, place, head, from, memory); });
#endif
}

template <int kDim>
void launch_dim(const BackwardArgs& a) {
  using Keys = KeysPass<kDim>;
  using Queries = QueriesPass<kDim>;
  const auto rows = static_cast<uint64_t>(a.tokens), columns = static_cast<uint64_t>(a.width()),
             out_columns = static_cast<uint64_t>(a.out_width());
  const auto qkv = [&](uint32_t box_rows) {
    return make_tensor_map(a.qkv, columns, rows, columns * 2, box_rows);
  };
  const TensorMap dout = make_tensor_map(a.dout, out_columns, rows, out_columns * 2, kGroupRows);
  const TensorMap own = qkv(kGroupRows), keys = qkv(Queries::Passing::kRows);
  const dim3 key_grid(tile_count(a.tokens, a.sequences, Keys::kRows), static_cast<unsigned>(a.kv_heads));
  const dim3 query_grid(tile_count(a.tokens, a.sequences, Queries::kRows), static_cast<unsigned>(a.heads));
  launch(wgmma_keys_kernel<kDim>, Launch{key_grid, Keys::kThreads, Keys::kSharedBytes}, a,
         Tensors{{own, own}, {own, dout}});
  launch(wgmma_queries_kernel<kDim>, Launch{query_grid, Queries::kThreads, Queries::kSharedBytes}, a,
         Tensors{{own, dout}, {keys, keys}});
}

}  // namespace

void launch_backward_wgmma(const BackwardArgs& args) {
  args.head_dim == 64 ? launch_dim<64>(args) : launch_dim<128>(args);
}

}  // namespace athanor::cuda
