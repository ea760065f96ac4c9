// Flash attention backward (Dao et al., 2022, algorithm 4) in two kernels, so that every sum has one order
// and one owner: keys_kernel has 64 keys and walks the queries after them for dK and dV, queries_kernel has
// 64 queries and walks the keys before them for dQ. Scores are computed in both: seven products where one
// kernel with atomic additions to dQ takes five. That is the price of results that are the same in every run.
#include "core/error.h"
#include "cuda/attention_forward.h"

namespace athanor::cuda {
namespace {

constexpr int kKeys = 64;

template <int kDim>
struct Backward {
  // Queries that are multiplied at once: what the registers leave beside dK and dV.
  static constexpr int kQueries = kDim == 64 ? 64 : 32;
  static constexpr size_t kKeysShared = (2 * kKeys + 4 * kQueries) * kDim * 2 + 4 * kQueries * sizeof(float);
  // Keys that queries_kernel multiplies at once, beside dQ.
  static constexpr int kOwnKeys = kDim == 64 ? 64 : 32;
  static constexpr size_t kQueriesShared = (2 * 64 + 4 * kOwnKeys) * kDim * 2;
};

struct BackwardArgs {
  bf16* dqkv;
  const bf16* dout;
  const bf16* qkv;
  const float* lse;
  const float* delta;  // [tokens, heads]: the sum of dout * out
  const int32_t* starts;
  int64_t sequences;
  int heads, kv_heads, head_dim;
  float scale;

  __device__ int width() const { return (heads + 2 * kv_heads) * head_dim; }
  __device__ int out_width() const { return heads * head_dim; }
  __device__ int column(int head) const { return head * head_dim; }
};

/// A warp a row and head.
__global__ void __launch_bounds__(kAttentionBlock)
    delta_kernel(float* delta, const bf16* dout, const bf16* out, int64_t rows, int head_dim) {
  const int64_t row = static_cast<int64_t>(blockIdx.x) * kAttentionWarps + threadIdx.x / kWarp;
  if (row >= rows) return;
  float total = 0;
  for (int i = static_cast<int>(threadIdx.x) % kWarp * 2; i < head_dim; i += 2 * kWarp) {
    const uint32_t d = *reinterpret_cast<const uint32_t*>(dout + row * head_dim + i);
    const uint32_t o = *reinterpret_cast<const uint32_t*>(out + row * head_dim + i);
    total += __uint_as_float(d << 16) * __uint_as_float(o << 16);
    total += __uint_as_float(d & 0xffff0000u) * __uint_as_float(o & 0xffff0000u);
  }
#pragma unroll
  for (int lanes = 16; lanes > 0; lanes /= 2) total += __shfl_xor_sync(kAllLanes, total, lanes);
  if (threadIdx.x % kWarp == 0) delta[row] = total;
}

/// One query tile of keys_kernel: its rows of q and dout, and their lse (times log2 e) and delta.
template <int kDim>
__device__ __forceinline__ void load_queries(const BackwardArgs& a, const TilePlace& place, int head,
                                             int first, unsigned char* q, unsigned char* dout, float* lse,
                                             float* delta) {
  constexpr int kQueries = Backward<kDim>::kQueries;
  load_tile<kDim, kQueries>(q, a.qkv + place.start * a.width() + a.column(head), a.width(), first,
                            place.length, a.head_dim);
  load_tile<kDim, kQueries>(dout, a.dout + place.start * a.out_width() + a.column(head), a.out_width(), first,
                            place.length, a.head_dim);
  const int row = static_cast<int>(threadIdx.x);
  if (row < kQueries) {
    const bool is_there = first + row < place.length;
    const int64_t at = (place.start + first + row) * a.heads + head;
    // Rows past the end weigh nothing.
    lse[row] = is_there ? a.lse[at] * kLog2E : INFINITY;
    delta[row] = is_there ? a.delta[at] : 0.0f;
  }
}

/// dK and dV of 64 keys of one key-value head, over all its query heads. Scores are transposed, S^T [keys,
/// queries], so that P^T and dS^T are left operands as they come.
template <int kDim>
__global__ void __launch_bounds__(kAttentionBlock) keys_kernel(const __grid_constant__ BackwardArgs a) {
  constexpr int kQueries = Backward<kDim>::kQueries, kQueryBytes = kQueries * kDim * 2;
  ATHANOR_DYNAMIC_SHARED(bytes);
  unsigned char* keys = bytes;
  unsigned char* values = keys + kKeys * kDim * 2;
  unsigned char* q = values + kKeys * kDim * 2;  // two stages
  unsigned char* dout = q + 2 * kQueryBytes;
  auto* lse = reinterpret_cast<float*>(dout + 2 * kQueryBytes);
  float* delta = lse + 2 * kQueries;
  const TilePlace place = tile_place(a.starts, a.sequences, kKeys, static_cast<int>(blockIdx.x));
  if (place.first >= place.length) return;
  const int kv_head = static_cast<int>(blockIdx.y), group = a.heads / a.kv_heads;
  const int warp = static_cast<int>(threadIdx.x) / kWarp, lane = static_cast<int>(threadIdx.x) % kWarp;
  const int key_column = a.column(a.heads + kv_head), value_column = a.column(a.heads + a.kv_heads + kv_head);
  load_tile<kDim, kKeys>(keys, a.qkv + place.start * a.width() + key_column, a.width(), place.first,
                         place.length, a.head_dim);
  load_tile<kDim, kKeys>(values, a.qkv + place.start * a.width() + value_column, a.width(), place.first,
                         place.length, a.head_dim);

  // The query tiles from the keys' own on, head after head.
  const int first_tile = place.first / kQueries;
  const int tiles = (place.length + kQueries - 1) / kQueries - first_tile;
  const int rounds = tiles * group;
  const auto load_round = [&](int round) {
    const int stage = round % 2, head = kv_head * group + round / tiles;
    load_queries<kDim>(a, place, head, (first_tile + round % tiles) * kQueries, q + stage * kQueryBytes,
                       dout + stage * kQueryBytes, lse + stage * kQueries, delta + stage * kQueries);
  };
  load_round(0);
  copy_async_commit();

  float dk[1][kDim / 8][4], dv[1][kDim / 8][4];
  set_zero(dk);
  set_zero(dv);
  const float scale_log2 = a.scale * kLog2E;
  const int key = place.first + warp * 16 + lane / 4;  // and the one 8 further
  for (int round = 0; round < rounds; ++round) {
    if (round + 1 < rounds) load_round(round + 1);
    copy_async_commit();
    copy_async_wait<1>();
    __syncthreads();
    const int stage = round % 2, first = (first_tile + round % tiles) * kQueries;
    float weights[1][kQueries / 8][4], dscores[1][kQueries / 8][4];
    set_zero(weights);
    set_zero(dscores);
    multiply_rows<kDim>(weights, keys, warp * 16, q + stage * kQueryBytes);
    multiply_rows<kDim>(dscores, values, warp * 16, dout + stage * kQueryBytes);
#pragma unroll
    for (int n = 0; n < kQueries / 8; ++n) {
#pragma unroll
      for (int i = 0; i < 4; ++i) {
        const int column = n * 8 + lane % 4 * 2 + i % 2;
        const bool is_seen = key + i / 2 * 8 <= first + column;
        const float shift = lse[stage * kQueries + column];
        const float p = is_seen ? exp2_approximate(fmaf(weights[0][n][i], scale_log2, -shift)) : 0.0f;
        weights[0][n][i] = p;
        dscores[0][n][i] = p * (dscores[0][n][i] - delta[stage * kQueries + column]);
      }
    }
    multiply_weights<kDim>(dv, weights, dout + stage * kQueryBytes);
    multiply_weights<kDim>(dk, dscores, q + stage * kQueryBytes);
    __syncthreads();
  }
  bf16* out = a.dqkv + place.start * a.width();
  const int row = place.first + warp * 16;
  const float one[2] = {1.0f, 1.0f}, scale[2] = {a.scale, a.scale};
  store_rows<kDim>(out + value_column, a.width(), dv[0], row, place.length, a.head_dim, one);
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
  const bf16 *key_rows = rows + a.column(a.heads + kv_head), *value_rows = key_rows + a.column(a.kv_heads);
  load_tile<kDim, kQueries>(q, rows + a.column(head), a.width(), place.first, place.length, a.head_dim);
  load_tile<kDim, kQueries>(dout, a.dout + place.start * a.out_width() + a.column(head), a.out_width(),
                            place.first, place.length, a.head_dim);
  const auto load_keys = [&](int tile) {
    const int stage = tile % 2 * kTileBytes;
    load_tile<kDim, kOwnKeys>(keys + stage, key_rows, a.width(), tile * kOwnKeys, place.length, a.head_dim);
    load_tile<kDim, kOwnKeys>(values + stage, value_rows, a.width(), tile * kOwnKeys, place.length,
                              a.head_dim);
  };
  load_keys(0);
  copy_async_commit();

  const int row = place.first + warp * 16 + lane / 4;
  float shift[2], delta[2];
#pragma unroll
  for (int half = 0; half < 2; ++half) {
    const bool is_there = row + half * 8 < place.length;
    const int64_t at = (place.start + row + half * 8) * a.heads + head;
    shift[half] = is_there ? a.lse[at] * kLog2E : INFINITY;
    delta[half] = is_there ? a.delta[at] : 0.0f;
  }
  float dq[1][kDim / 8][4];
  set_zero(dq);
  const float scale_log2 = a.scale * kLog2E;
  const int last = place.first + kQueries < place.length ? place.first + kQueries : place.length;
  const int tiles = (last + kOwnKeys - 1) / kOwnKeys;
  for (int tile = 0; tile < tiles; ++tile) {
    if (tile + 1 < tiles) load_keys(tile + 1);
    copy_async_commit();
    copy_async_wait<1>();
    __syncthreads();
    const int stage = tile % 2 * kTileBytes;
    float weights[1][kOwnKeys / 8][4], dscores[1][kOwnKeys / 8][4];
    set_zero(weights);
    set_zero(dscores);
    multiply_rows<kDim>(weights, q, warp * 16, keys + stage);
    multiply_rows<kDim>(dscores, dout, warp * 16, values + stage);
#pragma unroll
    for (int n = 0; n < kOwnKeys / 8; ++n) {
#pragma unroll
      for (int i = 0; i < 4; ++i) {
        const int key = tile * kOwnKeys + n * 8 + lane % 4 * 2 + i % 2;
        const bool is_seen = key <= row + i / 2 * 8;
        const float p = is_seen ? exp2_approximate(fmaf(weights[0][n][i], scale_log2, -shift[i / 2])) : 0.0f;
        dscores[0][n][i] = p * (dscores[0][n][i] - delta[i / 2]);
      }
    }
    multiply_weights<kDim>(dq, dscores, keys + stage);
    __syncthreads();
  }
  const float scale[2] = {a.scale, a.scale};
  store_rows<kDim>(a.dqkv + place.start * a.width() + a.column(head), a.width(), dq[0],
                   place.first + warp * 16, place.length, a.head_dim, scale);
}

template <int kDim>
void launch_backward(const AttentionShape& s, const BackwardArgs& args) {
  using Shape = Backward<kDim>;
  const dim3 key_grid(tile_count(s.tokens, s.sequences, kKeys), static_cast<unsigned>(s.kv_heads));
  const dim3 query_grid(tile_count(s.tokens, s.sequences, 64), static_cast<unsigned>(s.heads));
  launch(keys_kernel<kDim>, Launch{key_grid, kAttentionBlock, Shape::kKeysShared}, args);
  launch(queries_kernel<kDim>, Launch{query_grid, kAttentionBlock, Shape::kQueriesShared}, args);
}

}  // namespace

void attention_backward(const AttentionShape& s, const void* dout, const void* qkv, const void* out,
                        const float* lse, void* dqkv) {
  expect(s.dtype == DType::kBF16, ErrorCode::kDtype, "attention_backward", "takes bf16 on CUDA but got ",
         dtype_name(s.dtype), "; use --dtype bf16");
  expect(s.head_dim % 8 == 0 && s.head_dim <= 128, ErrorCode::kShape, "attention_backward",
         "takes head sizes that are multiples of 8 up to 128 on CUDA but got ", s.head_dim);
  if (s.tokens == 0) return;
  const Scratch delta(static_cast<size_t>(s.tokens * s.heads) * sizeof(float));
  launch(delta_kernel,
         Launch{static_cast<unsigned>(ceil_divide(s.tokens * s.heads, kAttentionWarps)), kAttentionBlock},
         delta.as<float>(), static_cast<const bf16*>(dout), static_cast<const bf16*>(out), s.tokens * s.heads,
         static_cast<int>(s.head_dim));
  const BackwardArgs args{static_cast<bf16*>(dqkv),
                          static_cast<const bf16*>(dout),
                          static_cast<const bf16*>(qkv),
                          lse,
                          delta.as<float>(),
                          s.cu_seqlens,
                          s.sequences,
                          static_cast<int>(s.heads),
                          static_cast<int>(s.kv_heads),
                          static_cast<int>(s.head_dim),
                          s.scale};
  if (s.head_dim <= 64) return launch_backward<64>(s, args);
  launch_backward<128>(s, args);
}

}  // namespace athanor::cuda
