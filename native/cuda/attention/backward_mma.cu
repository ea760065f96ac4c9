// The backward pass on mma.sync. keys_kernel keeps 64 keys and walks the queries after them for dK
// and dV; queries_kernel keeps 64 queries and walks the keys before them for dQ.
#include "cuda/attention/backward.h"

namespace athanor::cuda {
namespace {

constexpr int kKeys = 64;

template <int kDim>
struct Backward {
  // Queries that are multiplied at once: as many as the registers leave room for beside dK and dV.
  static constexpr int kQueries = kDim == 64 ? 64 : kDim == 128 ? 32 : 16;
  static constexpr size_t kKeysShared = (2 * kKeys + 4 * kQueries) * kDim * 2 + 4 * kQueries * sizeof(float);
  // Keys that queries_kernel multiplies at once, beside dQ.
  static constexpr int kOwnKeys = kDim == 64 ? 64 : kDim == 128 ? 32 : 16;
  static constexpr size_t kQueriesShared = (2 * 64 + 4 * kOwnKeys) * kDim * 2;
};

/// One query tile of keys_kernel: its rows of q and dout, and their statistics.
template <int kDim>
__device__ __forceinline__ void load_queries(const BackwardArgs& a, const TilePlace& place, int head,
                                             int first, unsigned char* q, unsigned char* dout, float* shift,
                                             float* delta) {
  constexpr int kQueries = Backward<kDim>::kQueries;
  load_tile<kDim, kQueries>(q, a.qkv + place.start * a.width() + a.column(head), a.width(), first,
                            place.length, a.head_dim);
  load_tile<kDim, kQueries>(dout, a.dout + place.start * a.out_width() + a.column(head), a.out_width(), first,
                            place.length, a.head_dim);
  const int row = static_cast<int>(threadIdx.x);
  if (row < kQueries) {
    const RowStatistics& rows = *a.statistics_of(place, head, first);
    shift[row] = rows.shift[first % RowStatistics::kRows + row];
    delta[row] = rows.delta[first % RowStatistics::kRows + row];
  }
}

/// Scores become tanh of the scaled scores over the cap, and gradients of capped scores become
/// those of scores.
template <int kCount>
__device__ __forceinline__ void cap_scores(float (&scores)[1][kCount][4], float (&dscores)[1][kCount][4],
                                           float cap_exponent) {
#pragma unroll
  for (int n = 0; n < kCount; ++n) {
#pragma unroll
    for (int i = 0; i < 4; ++i) {
      const float t = capped_score(scores[0][n][i], cap_exponent);
      scores[0][n][i] = t;
      dscores[0][n][i] *= (1.0f - t) * (1.0f + t);
    }
  }
}

/// Gradients of weights less delta(n, i), the weighted mean of the row's: what a weight is
/// multiplied by for the gradient of its score.
template <int kCount, class Delta>
__device__ __forceinline__ void subtract_means(float (&dweights)[1][kCount][4], const Delta& delta) {
#pragma unroll
  for (int n = 0; n < kCount; ++n) {
#pragma unroll
    for (int i = 0; i < 4; ++i) dweights[0][n][i] -= delta(n, i);
  }
}

/// What keys_kernel computes. At head size 256 dK or dV alone fills the registers.
enum class Gradients { kBoth, kKeys, kValues };

/// dK, dV or both of 64 keys of one key-value head, over all its query heads. Scores are
/// transposed, S^T [keys, queries], so that P^T and dS^T are left operands as they come.
template <int kDim, Gradients kOf>
__global__ void __launch_bounds__(kAttentionBlock) keys_kernel(const __grid_constant__ BackwardArgs a) {
  constexpr int kQueries = Backward<kDim>::kQueries, kQueryBytes = kQueries * kDim * 2;
  constexpr bool kHasKeys = kOf != Gradients::kValues, kHasValues = kOf != Gradients::kKeys;
  ATHANOR_DYNAMIC_SHARED(bytes);
  unsigned char* keys = bytes;
  unsigned char* values = keys + kKeys * kDim * 2;
  unsigned char* q = values + kKeys * kDim * 2;  // two stages
  unsigned char* dout = q + 2 * kQueryBytes;
  auto* shift = reinterpret_cast<float*>(dout + 2 * kQueryBytes);
  float* delta = shift + 2 * kQueries;
  const TilePlace place = tile_place(a.starts, a.sequences, kKeys, static_cast<int>(blockIdx.x));
  if (place.first >= place.length) return;
  const int kv_head = static_cast<int>(blockIdx.y), group = a.heads / a.kv_heads;
  const int warp = static_cast<int>(threadIdx.x) / kWarp, lane = static_cast<int>(threadIdx.x) % kWarp;
  const int key_column = a.key_column(kv_head), value_column = a.value_column(kv_head);
  // Start copying the keys and values of the block.
  load_tile<kDim, kKeys>(keys, a.qkv + place.start * a.width() + key_column, a.width(), place.first,
                         place.length, a.head_dim);
  if constexpr (kHasKeys) {
    load_tile<kDim, kKeys>(values, a.qkv + place.start * a.width() + value_column, a.width(), place.first,
                           place.length, a.head_dim);
  }

  // The query tiles from the keys' own to the last whose window reaches them, head after head.
  const int first_tile = place.first / kQueries;
  const int end =
      place.first + kKeys - 1 + a.window < place.length ? place.first + kKeys - 1 + a.window : place.length;
  const int tiles = (end + kQueries - 1) / kQueries - first_tile;
  const int rounds = tiles * group;
  const auto load_round = [&](int round) {
    const int stage = round % 2, head = kv_head * group + round / tiles;
    load_queries<kDim>(a, place, head, (first_tile + round % tiles) * kQueries, q + stage * kQueryBytes,
                       dout + stage * kQueryBytes, shift + stage * kQueries, delta + stage * kQueries);
  };
  load_round(0);
  copy_async_commit();

  float dk[1][kDim / 8][4], dv[1][kDim / 8][4];
  set_zero(dk);
  set_zero(dv);
  const int key = place.first + warp * 16 + lane / 4;  // and the one 8 further
  for (int round = 0; round < rounds; ++round) {
    // Start copying the next queries, and wait for these.
    if (round + 1 < rounds) load_round(round + 1);
    copy_async_commit();
    copy_async_wait<1>();
    __syncthreads();
    const int stage = round % 2, first = (first_tile + round % tiles) * kQueries;
    // Scores, and gradients of the weights.
    float weights[1][kQueries / 8][4], dscores[1][kQueries / 8][4];
    set_zero(weights);
    set_zero(dscores);
    multiply_rows<kDim>(weights, keys, warp * 16, q + stage * kQueryBytes);
    if constexpr (kHasKeys) {
      multiply_rows<kDim>(dscores, values, warp * 16, dout + stage * kQueryBytes);
      subtract_means(dscores,
                     [&](int n, int i) { return delta[stage * kQueries + n * 8 + lane % 4 * 2 + i % 2]; });
    }
    if (a.is_capped) cap_scores(weights, dscores, a.cap_exponent);
    // Weights, and gradients of the scores.
#pragma unroll
    for (int n = 0; n < kQueries / 8; ++n) {
#pragma unroll
      for (int i = 0; i < 4; ++i) {
        const int column = n * 8 + lane % 4 * 2 + i % 2;
        const int distance = first + column - (key + i / 2 * 8);
        const bool is_seen = distance >= 0 && distance < a.window;
        const float score = fmaf(weights[0][n][i], a.scale_log2, -shift[stage * kQueries + column]);
        const float p = is_seen ? exp2_approximate(score) : 0.0f;
        weights[0][n][i] = p;
        dscores[0][n][i] *= p;
      }
    }
    // Add to dV and dK.
    if constexpr (kHasValues) multiply_weights<kDim>(dv, weights, dout + stage * kQueryBytes);
    if constexpr (kHasKeys) multiply_weights<kDim>(dk, dscores, q + stage * kQueryBytes);
    __syncthreads();
  }
  // Write dV and dK.
  bf16* out = a.dqkv + place.start * a.width();
  const int row = place.first + warp * 16;
  const float one[2] = {1.0f, 1.0f}, scale[2] = {a.scale, a.scale};
  if constexpr (kHasValues)
    store_rows<kDim>(out + value_column, a.width(), dv[0], row, place.length, a.head_dim, one);
  if constexpr (kHasKeys)
    store_rows<kDim>(out + key_column, a.width(), dk[0], row, place.length, a.head_dim, scale);
}

/// dQ of 64 queries of one head.
template <int kDim>
__global__ void __launch_bounds__(kAttentionBlock) queries_kernel(const __grid_constant__ BackwardArgs a) {
  constexpr int kQueries = 64, kOwnKeys = Backward<kDim>::kOwnKeys, kTileBytes = kOwnKeys * kDim * 2;
  ATHANOR_DYNAMIC_SHARED(bytes);
  unsigned char* q = bytes;
  unsigned char* dout = q + kQueries * kDim * 2;
  unsigned char* keys = dout + kQueries * kDim * 2;  // two stages
  unsigned char* values = keys + 2 * kTileBytes;
  const TilePlace place =
      tile_place(a.starts, a.sequences, kQueries, static_cast<int>(gridDim.x - 1 - blockIdx.x));
  if (place.first >= place.length) return;
  const int head = static_cast<int>(blockIdx.y), kv_head = head / (a.heads / a.kv_heads);
  const int warp = static_cast<int>(threadIdx.x) / kWarp, lane = static_cast<int>(threadIdx.x) % kWarp;
  const bf16* rows = a.qkv + place.start * a.width();
  // The keys from the tile on in which the block's first window begins.
  const int skipped = first_key(place.first, a.window) / kOwnKeys * kOwnKeys, left = place.length - skipped;
  const bf16* seen = rows + static_cast<int64_t>(skipped) * a.width();
  const bf16 *key_rows = seen + a.key_column(kv_head), *value_rows = seen + a.value_column(kv_head);
  // Start copying the queries of the block and the first tile of keys and values.
  load_tile<kDim, kQueries>(q, rows + a.column(head), a.width(), place.first, place.length, a.head_dim);
  load_tile<kDim, kQueries>(dout, a.dout + place.start * a.out_width() + a.column(head), a.out_width(),
                            place.first, place.length, a.head_dim);
  const auto load_keys = [&](int tile) {
    const int stage = tile % 2 * kTileBytes;
    load_tile<kDim, kOwnKeys>(keys + stage, key_rows, a.width(), tile * kOwnKeys, left, a.head_dim);
    load_tile<kDim, kOwnKeys>(values + stage, value_rows, a.width(), tile * kOwnKeys, left, a.head_dim);
  };
  load_keys(0);
  copy_async_commit();

  const int row = place.first + warp * 16 + lane / 4;
  const RowStatistics& own = *a.statistics_of(place, head, place.first);
  const int at = row - place.first;
  const float shift[2] = {own.shift[at], own.shift[at + 8]}, delta[2] = {own.delta[at], own.delta[at + 8]};
  float dq[1][kDim / 8][4];
  set_zero(dq);
  const int last = place.first + kQueries < place.length ? place.first + kQueries : place.length;
  const int tiles = (last - skipped + kOwnKeys - 1) / kOwnKeys;
  for (int tile = 0; tile < tiles; ++tile) {
    // Start copying the next keys and values, and wait for these.
    if (tile + 1 < tiles) load_keys(tile + 1);
    copy_async_commit();
    copy_async_wait<1>();
    __syncthreads();
    const int stage = tile % 2 * kTileBytes;
    // Scores, and gradients of the weights.
    float weights[1][kOwnKeys / 8][4], dscores[1][kOwnKeys / 8][4];
    set_zero(weights);
    set_zero(dscores);
    multiply_rows<kDim>(weights, q, warp * 16, keys + stage);
    multiply_rows<kDim>(dscores, dout, warp * 16, values + stage);
    subtract_means(dscores, [&](int, int i) { return delta[i / 2]; });
    if (a.is_capped) cap_scores(weights, dscores, a.cap_exponent);
    // Weights, and gradients of the scores.
#pragma unroll
    for (int n = 0; n < kOwnKeys / 8; ++n) {
#pragma unroll
      for (int i = 0; i < 4; ++i) {
        const int key = skipped + tile * kOwnKeys + n * 8 + lane % 4 * 2 + i % 2;
        const int distance = row + i / 2 * 8 - key;
        const bool is_seen = distance >= 0 && distance < a.window;
        const float p =
            is_seen ? exp2_approximate(fmaf(weights[0][n][i], a.scale_log2, -shift[i / 2])) : 0.0f;
        dscores[0][n][i] *= p;
      }
    }
    // Add to dQ.
    multiply_weights<kDim>(dq, dscores, keys + stage);
    __syncthreads();
  }
  // Write dQ.
  const float scale[2] = {a.scale, a.scale};
  store_rows<kDim>(a.dqkv + place.start * a.width() + a.column(head), a.width(), dq[0],
                   place.first + warp * 16, place.length, a.head_dim, scale);
}

template <int kDim>
void launch_dim(const BackwardArgs& args) {
  using Shape = Backward<kDim>;
  const dim3 key_grid(tile_count(args.tokens, args.sequences, kKeys), static_cast<unsigned>(args.kv_heads));
  const dim3 query_grid(tile_count(args.tokens, args.sequences, 64), static_cast<unsigned>(args.heads));
  const Launch keys{key_grid, kAttentionBlock, Shape::kKeysShared};
  if constexpr (kDim == 256) {
    launch(keys_kernel<kDim, Gradients::kValues>, keys, args);
    launch(keys_kernel<kDim, Gradients::kKeys>, keys, args);
  } else {
    launch(keys_kernel<kDim, Gradients::kBoth>, keys, args);
  }
  launch(queries_kernel<kDim>, Launch{query_grid, kAttentionBlock, Shape::kQueriesShared}, args);
}

}  // namespace

void launch_backward_mma(const BackwardArgs& args) {
  if (args.head_dim <= 64) return launch_dim<64>(args);
  args.head_dim <= 128 ? launch_dim<128>(args) : launch_dim<256>(args);
}

}  // namespace athanor::cuda
