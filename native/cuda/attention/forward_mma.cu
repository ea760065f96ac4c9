// The forward pass on mma.sync. A block has 128 queries of one head; a warp has 32 of them, so that
// each key and value that it reads from shared memory feeds two products. These reads bound the
// kernel: per 32 queries and 64 keys of size 64 a warp reads 20 KiB (160 clocks at 128 bytes per
// clock) for 262,144 multiply-adds (256 clocks of an A100's tensor cores); with 16 queries it would
// read 18 KiB for half of them. A tile of keys is copied while another is multiplied. Head sizes
// between the built ones are padded with zeros in shared memory. At head size 256 the outputs of 16
// queries fill the registers of a warp, and a block has 64 queries.
#include "core/error.h"
#include "cuda/attention/forward.h"

namespace athanor::cuda {
namespace {

template <int kDim>
struct Mma {
  // Of 16 queries, per warp. Outputs take kDim / 2 registers per thread for each, and scores half
  // as many as there are keys: 192 together would leave too few.
  static constexpr int kRowTiles = kDim == 256 ? 1 : 2;
  static constexpr int kQueries = kAttentionWarps * 16 * kRowTiles;
  static constexpr int kKeys = kDim == 64 ? 64 : 32;
  static constexpr int kTileBytes = kKeys * kDim * 2;
  static constexpr size_t kSharedBytes = static_cast<size_t>(kQueries) * kDim * 2 + 4 * kTileBytes;
};

/// Where the keys and values of a sequence and head are.
struct KeyValues {
  const bf16* keys;
  const bf16* values;
  int stride, past;
};

__device__ __forceinline__ KeyValues key_values(const ForwardArgs& a, const TilePlace& place, int kv_head) {
  if (a.cached_keys != nullptr) {
    const int64_t at = a.cache_row(place.sequence, kv_head) * a.padded_dim;
    return {a.cached_keys + at, a.cached_values + at, a.padded_dim, a.past_lengths[place.sequence]};
  }
  const bf16* keys = a.qkv + place.start * a.width() + (a.heads + kv_head) * a.head_dim;
  return {keys, keys + a.kv_heads * a.head_dim, a.width(), 0};
}

template <int kDim>
__global__ void __launch_bounds__(kAttentionBlock) mma_kernel(const __grid_constant__ ForwardArgs a) {
  using Shape = Mma<kDim>;
  constexpr int kKeys = Shape::kKeys, kTiles = Shape::kRowTiles;
  ATHANOR_DYNAMIC_SHARED(bytes);
  unsigned char* queries = bytes;
  unsigned char* keys = bytes + Shape::kQueries * kDim * 2;  // two stages
  unsigned char* values = keys + 2 * Shape::kTileBytes;
  // Late tiles see the most keys, so they start first.
  const TilePlace place =
      tile_place(a.starts, a.sequences, Shape::kQueries, static_cast<int>(gridDim.x - 1 - blockIdx.x));
  if (place.first >= place.length) return;
  const int head = static_cast<int>(blockIdx.y), warp = static_cast<int>(threadIdx.x) / kWarp;
  const KeyValues kv = key_values(a, place, head / (a.heads / a.kv_heads));
  // Tiles before this one are outside of the block's windows.
  const int first_tile = first_key(kv.past + place.first, a.window) / kKeys;
  const int last_row =
      place.first + Shape::kQueries < place.length ? place.first + Shape::kQueries : place.length;
  const int key_count = kv.past + last_row;  // up to the last that the last row sees

  // Start copying the queries and the first tile of keys and values.
  load_tile<kDim, Shape::kQueries>(queries, a.qkv + place.start * a.width() + head * a.head_dim, a.width(),
                                   place.first, place.length, a.head_dim);
  const int first_stage = first_tile % 2 * Shape::kTileBytes;
  load_tile<kDim, kKeys>(keys + first_stage, kv.keys, kv.stride, first_tile * kKeys, key_count, a.head_dim);
  load_tile<kDim, kKeys>(values + first_stage, kv.values, kv.stride, first_tile * kKeys, key_count,
                         a.head_dim);
  copy_async_commit();

  float out[kTiles][kDim / 8][4];
  set_zero(out);
  RowState state[kTiles];
  // The warp's first row sees the keys before this; a warp without a row of the sequence sees none.
  const int warp_row = place.first + warp * 16 * kTiles;
  const int position = warp_row < place.length ? kv.past + warp_row : -16 * kTiles;
  for (int tile = first_tile; tile * kKeys < key_count; ++tile) {
    // Start copying the next tile, and wait for this one.
    const int stage = tile % 2;
    if ((tile + 1) * kKeys < key_count) {
      const int next = (stage ^ 1) * Shape::kTileBytes;
      load_tile<kDim, kKeys>(keys + next, kv.keys, kv.stride, (tile + 1) * kKeys, key_count, a.head_dim);
      load_tile<kDim, kKeys>(values + next, kv.values, kv.stride, (tile + 1) * kKeys, key_count, a.head_dim);
    }
    copy_async_commit();
    copy_async_wait<1>();
    __syncthreads();
    // The block's last tiles may be after all rows of a warp.
    if (tile * kKeys < position + 16 * kTiles) {
      // Scores of this tile.
      float scores[kTiles][kKeys / 8][4];
      set_zero(scores);
      multiply_rows<kDim>(scores, queries, warp * 16 * kTiles, keys + stage * Shape::kTileBytes);
      // Scores become weights; rescale the outputs so far.
      if (a.is_capped) {
#pragma unroll
        for (int t = 0; t < kTiles; ++t) cap_scores(scores[t], a.cap_exponent);
      }
#pragma unroll
      for (int t = 0; t < kTiles; ++t) {
        const int row = position + t * 16;
        if ((tile + 1) * kKeys > row || row + 15 - tile * kKeys >= a.window) {
          mask_scores(scores[t], tile * kKeys, row, a.window);
        }
        float correction[2];
        softmax_step(scores[t], state[t], correction, a.scale_log2);
        rescale(out[t], correction);
      }
      // Add the weighted values.
      multiply_weights<kDim>(out, scores, values + stage * Shape::kTileBytes);
    }
    __syncthreads();  // all are done with this stage before the next but one overwrites it
  }
  // Write the outputs. The place is computed again, so that it takes no registers in the loop.
  const TilePlace end =
      tile_place(a.starts, a.sequences, Shape::kQueries, static_cast<int>(gridDim.x - 1 - blockIdx.x));
#pragma unroll
  for (int t = 0; t < kTiles; ++t) {
    store_outputs<kDim>(a, end, head, end.first + (warp * kTiles + t) * 16, out[t], state[t]);
  }
}

template <int kDim>
void launch_dim(const ForwardArgs& args) {
  using Shape = Mma<kDim>;
  const dim3 grid(tile_count(args.tokens, args.sequences, Shape::kQueries),
                  static_cast<unsigned>(args.heads));
  launch(mma_kernel<kDim>, Launch{grid, kAttentionBlock, Shape::kSharedBytes}, args);
}

}  // namespace

void launch_forward_mma(const ForwardArgs& args) {
  if (args.head_dim <= 64) return launch_dim<64>(args);
  args.head_dim <= 128 ? launch_dim<128>(args) : launch_dim<256>(args);
}

}  // namespace athanor::cuda
