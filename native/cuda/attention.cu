// Flash attention (Dao et al., 2022; 2023) on mma.sync, for sm_80 and later. A block has 64 or 128 queries of
// one head and takes the keys 64 at a time, the next tile on its way while one is multiplied. What bounds it
// is shared memory: a warp reads a whole key tile for its own queries, so that with 32 queries (head sizes to
// 64) each byte feeds 32 multiply-adds a column, twice what 16 give. Head sizes between the built ones are
// padded with zeros in shared memory.
//
// Training and decoding run one kernel with the same key tiles, and a tile that a row does not see changes no
// bit of it: a row computed with the cache equals the one of the full pass.
#include "kernels/attention.h"

#include "core/error.h"
#include "cuda/attention_tiles.h"

namespace athanor::cuda {

// In attention_backward.cu.
void attention_backward(const AttentionShape& shape, const void* dout, const void* qkv, const void* out,
                        const float* lse, void* dqkv);

namespace {

constexpr int kKeys = 64;

template <int kDim>
struct Forward {
  static constexpr int kRowTiles = kDim == 64 ? 2 : 1;  // of 16 queries a warp; what registers hold
  static constexpr int kQueries = kAttentionWarps * 16 * kRowTiles;
  static constexpr int kTileBytes = kKeys * kDim * 2;
  static constexpr size_t kSharedBytes = static_cast<size_t>(kQueries) * kDim * 2 + 4 * kTileBytes;
};

struct ForwardArgs {
  bf16* out;
  float* lse;  // null when not wanted
  const bf16* qkv;
  const int32_t* starts;
  int64_t sequences;
  int heads, kv_heads, head_dim;
  float scale_log2;
  // Keys and values of the cache; null: those in qkv.
  const bf16* cached_keys;
  const bf16* cached_values;
  const int32_t* slots;
  const int32_t* past_lengths;
  int64_t capacity;
  int padded_dim;
};

/// Where the keys and values of a sequence and head are.
struct KeyValues {
  const bf16* keys;
  const bf16* values;
  int64_t stride;
  int past;
};

__device__ __forceinline__ KeyValues key_values(const ForwardArgs& a, const TilePlace& place, int kv_head) {
  if (a.cached_keys != nullptr) {
    const int64_t at =
        (static_cast<int64_t>(a.slots[place.sequence]) * a.kv_heads + kv_head) * a.capacity * a.padded_dim;
    return {a.cached_keys + at, a.cached_values + at, a.padded_dim, a.past_lengths[place.sequence]};
  }
  const int64_t width = static_cast<int64_t>(a.heads + 2 * a.kv_heads) * a.head_dim;
  const bf16* keys = a.qkv + place.start * width + static_cast<int64_t>(a.heads + kv_head) * a.head_dim;
  return {keys, keys + static_cast<int64_t>(a.kv_heads) * a.head_dim, width, 0};
}

/// Running statistics of the two rows that a lane has of each 16.
struct RowState {
  float top[2] = {-INFINITY, -INFINITY};
  float sum[2] = {0.0f, 0.0f};
};

/// Scores become weights; the sums so far and the outputs are rescaled to the new maxima.
template <int kDim>
__device__ __forceinline__ void softmax_step(float (&scores)[kKeys / 8][4], float (&out)[kDim / 8][4],
                                             RowState& state, float scale_log2) {
#pragma unroll
  for (int half = 0; half < 2; ++half) {
    float top = state.top[half];
#pragma unroll
    for (int n = 0; n < kKeys / 8; ++n) {
      top = fmaxf(top, fmaxf(scores[n][half * 2], scores[n][half * 2 + 1]));
    }
    top = fmaxf(top, __shfl_xor_sync(kAllLanes, top, 1));
    top = fmaxf(top, __shfl_xor_sync(kAllLanes, top, 2));
    const float correction = exp2f((state.top[half] - top) * scale_log2);
    const float shift = top * scale_log2;
    state.top[half] = top;
    float sum = 0;
#pragma unroll
    for (int n = 0; n < kKeys / 8; ++n) {
#pragma unroll
      for (int i = half * 2; i < half * 2 + 2; ++i) {
        scores[n][i] = exp2f(fmaf(scores[n][i], scale_log2, -shift));
        sum += scores[n][i];
      }
    }
    state.sum[half] = state.sum[half] * correction + sum;
#pragma unroll
    for (int n = 0; n < kDim / 8; ++n) {
      out[n][half * 2] *= correction;
      out[n][half * 2 + 1] *= correction;
    }
  }
}

/// Hides keys after a lane's rows: key `first_key` is the tile's first, `position` that of the warp's row 0.
__device__ __forceinline__ void mask_scores(float (&scores)[kKeys / 8][4], int first_key, int position) {
  const int lane = static_cast<int>(threadIdx.x) % kWarp;
#pragma unroll
  for (int n = 0; n < kKeys / 8; ++n) {
#pragma unroll
    for (int i = 0; i < 4; ++i) {
      const int key = first_key + n * 8 + lane % 4 * 2 + i % 2;
      if (key > position + lane / 4 + i / 2 * 8) scores[n][i] = -INFINITY;
    }
  }
}

template <int kDim>
__global__ void __launch_bounds__(kAttentionBlock) forward_kernel(const __grid_constant__ ForwardArgs a) {
  using Shape = Forward<kDim>;
  ATHANOR_DYNAMIC_SHARED(bytes);
  unsigned char* queries = bytes;
  unsigned char* keys = bytes + Shape::kQueries * kDim * 2;  // two stages
  unsigned char* values = keys + 2 * Shape::kTileBytes;
  // Late tiles see the most keys: they go first.
  const TilePlace place =
      tile_place(a.starts, a.sequences, Shape::kQueries, static_cast<int>(gridDim.x - 1 - blockIdx.x));
  if (place.first >= place.length) return;
  const int head = static_cast<int>(blockIdx.y), warp = static_cast<int>(threadIdx.x) / kWarp;
  const int64_t width = static_cast<int64_t>(a.heads + 2 * a.kv_heads) * a.head_dim;
  const KeyValues kv = key_values(a, place, head / (a.heads / a.kv_heads));
  const int last_row =
      place.first + Shape::kQueries < place.length ? place.first + Shape::kQueries : place.length;
  const int key_count = kv.past + last_row;  // that the last row sees
  const int tiles = (key_count + kKeys - 1) / kKeys;

  load_tile<kDim, Shape::kQueries>(queries,
                                   a.qkv + place.start * width + static_cast<int64_t>(head) * a.head_dim,
                                   width, place.first, place.length, a.head_dim);
  load_tile<kDim, kKeys>(keys, kv.keys, kv.stride, 0, key_count, a.head_dim);
  load_tile<kDim, kKeys>(values, kv.values, kv.stride, 0, key_count, a.head_dim);
  copy_async_commit();

  constexpr int kTiles = Shape::kRowTiles;
  float out[kTiles][kDim / 8][4];
  RowState state[kTiles];
#pragma unroll
  for (int t = 0; t < kTiles; ++t) set_zero(out[t]);
  const int warp_row = warp * 16 * kTiles;
  for (int tile = 0; tile < tiles; ++tile) {
    const int stage = tile % 2;
    if (tile + 1 < tiles) {
      const int next = (stage ^ 1) * Shape::kTileBytes;
      load_tile<kDim, kKeys>(keys + next, kv.keys, kv.stride, (tile + 1) * kKeys, key_count, a.head_dim);
      load_tile<kDim, kKeys>(values + next, kv.values, kv.stride, (tile + 1) * kKeys, key_count, a.head_dim);
    }
    copy_async_commit();
    copy_async_wait<1>();
    __syncthreads();
#pragma unroll
    for (int t = 0; t < kTiles; ++t) {
      const int row = warp_row + t * 16, position = kv.past + place.first + row;
      float scores[kKeys / 8][4];
      set_zero(scores);
      multiply_rows<kDim, kKeys>(scores, queries, row, keys + stage * Shape::kTileBytes);
      if ((tile + 1) * kKeys > position) mask_scores(scores, tile * kKeys, position);
      softmax_step<kDim>(scores, out[t], state[t], a.scale_log2);
      multiply_weights<kDim, kKeys>(out[t], scores, values + stage * Shape::kTileBytes);
    }
    __syncthreads();  // all are done with this stage before the next but one overwrites it
  }

  const int lane = static_cast<int>(threadIdx.x) % kWarp;
  const int64_t out_width = static_cast<int64_t>(a.heads) * a.head_dim;
#pragma unroll
  for (int t = 0; t < kTiles; ++t) {
    float inverse[2];
#pragma unroll
    for (int half = 0; half < 2; ++half) {
      float sum = state[t].sum[half];
      sum += __shfl_xor_sync(kAllLanes, sum, 1);
      sum += __shfl_xor_sync(kAllLanes, sum, 2);
      inverse[half] = 1.0f / sum;
      const int row = place.first + warp_row + t * 16 + lane / 4 + half * 8;
      if (a.lse != nullptr && lane % 4 == 0 && row < place.length) {
        a.lse[(place.start + row) * a.heads + head] = (state[t].top[half] * a.scale_log2 + log2f(sum)) * kLn2;
      }
    }
    store_rows<kDim>(a.out + place.start * out_width + static_cast<int64_t>(head) * a.head_dim, out_width,
                     out[t], place.first + warp_row + t * 16, place.length, a.head_dim, inverse);
  }
}

/// Calls body(std::integral_constant<int, kDim>) with the smallest built size that holds the heads.
template <class Body>
void for_dim(const AttentionShape& shape, Body&& body) {
  expect(shape.dtype == DType::kBF16, ErrorCode::kDtype, "attention", "takes bf16 on CUDA but got ",
         dtype_name(shape.dtype), "; use --dtype bf16");
  expect(shape.head_dim <= 128, ErrorCode::kShape, "attention", "takes head sizes up to 128 on CUDA but got ",
         shape.head_dim);
  if (shape.head_dim <= 64) return body(std::integral_constant<int, 64>{});
  body(std::integral_constant<int, 128>{});
}

void launch_forward(const AttentionShape& shape, const ForwardArgs& args) {
  if (shape.tokens == 0) return;
  for_dim(shape, [&](auto dim) {
    using Shape = Forward<dim>;
    const dim3 grid(tile_count(shape.tokens, shape.sequences, Shape::kQueries),
                    static_cast<unsigned>(shape.heads));
    launch(forward_kernel<dim>, Launch{grid, kAttentionBlock, Shape::kSharedBytes}, args);
  });
}

ForwardArgs forward_args(const AttentionShape& s, const void* qkv, void* out, float* lse) {
  ForwardArgs args{};
  args.out = static_cast<bf16*>(out);
  args.lse = lse;
  args.qkv = static_cast<const bf16*>(qkv);
  args.starts = s.cu_seqlens;
  args.sequences = s.sequences;
  args.heads = static_cast<int>(s.heads);
  args.kv_heads = static_cast<int>(s.kv_heads);
  args.head_dim = static_cast<int>(s.head_dim);
  args.scale_log2 = s.scale * kLog2E;
  return args;
}

void forward(const AttentionShape& shape, const void* qkv, void* out, float* lse) {
  launch_forward(shape, forward_args(shape, qkv, out, lse));
}

/// The cache is [slots, kv_heads, capacity, padded head_dim]. A block appends one token's keys and values.
__global__ void __launch_bounds__(kAttentionBlock)
    append_kernel(const __grid_constant__ ForwardArgs a, bf16* keys, bf16* values) {
  const TilePlace place = tile_place(a.starts, a.sequences, 1, static_cast<int>(blockIdx.x));
  if (place.first >= place.length) return;
  const int64_t token = place.start + place.first;
  const int64_t width = static_cast<int64_t>(a.heads + 2 * a.kv_heads) * a.head_dim;
  const bf16* row = a.qkv + token * width + static_cast<int64_t>(a.heads) * a.head_dim;
  const int count = a.kv_heads * a.head_dim;
  for (int i = static_cast<int>(threadIdx.x); i < count; i += kAttentionBlock) {
    const int head = i / a.head_dim;
    const int64_t slot = static_cast<int64_t>(a.slots[place.sequence]) * a.kv_heads + head;
    const int64_t at =
        (slot * a.capacity + a.past_lengths[place.sequence] + place.first) * a.padded_dim + i % a.head_dim;
    keys[at] = row[i];
    values[at] = row[count + i];
  }
}

void cached(const AttentionShape& shape, const AttentionCache& cache, const void* qkv, void* out) {
  if (shape.tokens == 0) return;
  ForwardArgs args = forward_args(shape, qkv, out, nullptr);
  args.cached_keys = static_cast<const bf16*>(cache.keys);
  args.cached_values = static_cast<const bf16*>(cache.values);
  args.slots = cache.slots;
  args.past_lengths = cache.past_lengths;
  args.capacity = cache.capacity;
  args.padded_dim =
      static_cast<int>(ceil_divide(shape.head_dim, kAttentionHeadPadding) * kAttentionHeadPadding);
  for_dim(shape, [](auto) {});  // refuses before the cache is written
  launch(append_kernel, Launch{tile_count(shape.tokens, shape.sequences, 1), kAttentionBlock}, args,
         static_cast<bf16*>(cache.keys), static_cast<bf16*>(cache.values));
  launch_forward(shape, args);
}

}  // namespace

const AttentionKernels& attention_kernels() {
  static constexpr AttentionKernels kTable = {forward, attention_backward, cached};
  return kTable;
}

}  // namespace athanor::cuda
