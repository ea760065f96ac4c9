// Flash attention (Dao et al., 2022; 2023). This file has the table, the cache and the choice of
// the path; the forward kernels are in forward_wgmma.cu (Hopper) and forward_mma.cu (older and
// newer GPUs); the backward pass begins in backward.cu.
//
// Training and decoding run one kernel with the same key tiles, and a tile that a row does not see
// changes no bit of it: a row computed with the cache equals the row of the full pass.
#include "kernels/attention.h"

#include "core/error.h"
#include "cuda/attention/forward.h"

namespace athanor::cuda {
namespace {

bool is_for_wgmma(int64_t head_dim, float softcap) {
  return (head_dim == 64 || head_dim == 128) && softcap == 0;
}

void check(const AttentionShape& shape, AttentionPath path) {
  expect(shape.dtype == DType::kBF16, ErrorCode::kDtype, "takes bf16 on CUDA but got ",
         dtype_name(shape.dtype), "; use the dtype bf16");
  expect(shape.head_dim % 8 == 0 && shape.head_dim <= 256, ErrorCode::kShape,
         "takes head sizes that are multiples of 8 up to 256 on CUDA but got ", shape.head_dim);
  if (path == AttentionPath::kMma) return;
  expect(is_for_wgmma(shape.head_dim, shape.softcap), ErrorCode::kShape,
         "takes head sizes 64 and 128 without a cap of scores with wgmma but got ", shape.head_dim,
         " and a cap of ", shape.softcap);
}

ForwardArgs forward_args(const AttentionShape& s, const void* qkv, void* out, float* lse) {
  ForwardArgs args{};
  args.out = static_cast<bf16*>(out);
  args.lse = lse;
  args.qkv = static_cast<const bf16*>(qkv);
  args.starts = s.cu_seqlens;
  args.tokens = s.tokens;
  args.sequences = s.sequences;
  args.heads = static_cast<int>(s.heads);
  args.kv_heads = static_cast<int>(s.kv_heads);
  args.head_dim = static_cast<int>(s.head_dim);
  args.is_capped = s.softcap > 0;
  args.cap_exponent = cap_exponent(s);
  args.scale_log2 = scale_log2(s);
  args.window = static_cast<int>(s.window);
  return args;
}

void launch_forward(const ForwardArgs& args, AttentionPath path) {
  path == AttentionPath::kWgmma ? launch_forward_wgmma(args) : launch_forward_mma(args);
}

void forward(const AttentionShape& shape, const void* qkv, void* out, float* lse, AttentionPath path) {
  check(shape, path);
  if (shape.tokens == 0) return;
  launch_forward(forward_args(shape, qkv, out, lse), path);
}

void backward(const AttentionShape& shape, const void* dout, const void* qkv, const void* out,
              const float* lse, void* dqkv, AttentionPath path) {
  check(shape, path);
  if (shape.tokens == 0) return;
  launch_backward(shape, dout, qkv, out, lse, dqkv, path);
}

/// The cache is [slots, kv_heads, capacity, padded head_dim]. A block appends one token's
/// keys and values.
__global__ void __launch_bounds__(kAttentionBlock)
    append_kernel(const __grid_constant__ ForwardArgs a, bf16* keys, bf16* values) {
  const TilePlace place = tile_place(a.starts, a.sequences, 1, static_cast<int>(blockIdx.x));
  if (place.first >= place.length) return;
  const bf16* row = a.qkv + (place.start + place.first) * a.width() + a.heads * a.head_dim;
  const int count = a.kv_heads * a.head_dim;
  for (int i = static_cast<int>(threadIdx.x); i < count; i += kAttentionBlock) {
    const int64_t cache_row =
        a.cache_row(place.sequence, i / a.head_dim) + a.past_lengths[place.sequence] + place.first;
    const int64_t at = cache_row * a.padded_dim + i % a.head_dim;
    keys[at] = row[i];
    values[at] = row[count + i];
  }
}

void cached(const AttentionShape& shape, const AttentionCache& cache, const void* qkv, void* out,
            AttentionPath path) {
  check(shape, path);  // before the cache is written
  if (shape.tokens == 0) return;
  ForwardArgs args = forward_args(shape, qkv, out, nullptr);
  args.cached_keys = static_cast<const bf16*>(cache.keys);
  args.cached_values = static_cast<const bf16*>(cache.values);
  args.slots = cache.slots;
  args.past_lengths = cache.past_lengths;
  args.slot_count = cache.slot_count;
  args.capacity = cache.capacity;
  args.padded_dim = static_cast<int>(round_up(shape.head_dim, kAttentionHeadPadding));
  launch(append_kernel, Launch{tile_count(shape.tokens, shape.sequences, 1), kAttentionBlock}, args,
         static_cast<bf16*>(cache.keys), static_cast<bf16*>(cache.values));
  launch_forward(args, path);
}

template <AttentionPath kPath>
void forward_by(const AttentionShape& shape, const void* qkv, void* out, float* lse) {
  forward(shape, qkv, out, lse, kPath);
}
template <AttentionPath kPath>
void backward_by(const AttentionShape& shape, const void* dout, const void* qkv, const void* out,
                 const float* lse, void* dqkv) {
  backward(shape, dout, qkv, out, lse, dqkv, kPath);
}
template <AttentionPath kPath>
void cached_by(const AttentionShape& shape, const AttentionCache& cache, const void* qkv, void* out) {
  cached(shape, cache, qkv, out, kPath);
}
template <AttentionPath kPath>
constexpr AttentionKernels kKernels = {forward_by<kPath>, backward_by<kPath>, cached_by<kPath>};

void forward_by_device(const AttentionShape& shape, const void* qkv, void* out, float* lse) {
  forward(shape, qkv, out, lse, attention_path(shape.head_dim, shape.softcap));
}
void backward_by_device(const AttentionShape& shape, const void* dout, const void* qkv, const void* out,
                        const float* lse, void* dqkv) {
  backward(shape, dout, qkv, out, lse, dqkv, attention_path(shape.head_dim, shape.softcap));
}
void cached_by_device(const AttentionShape& shape, const AttentionCache& cache, const void* qkv, void* out) {
  cached(shape, cache, qkv, out, attention_path(shape.head_dim, shape.softcap));
}

}  // namespace

AttentionPath attention_path(int64_t head_dim, float softcap) {
  // Only sm_90a has wgmma: newer GPUs have other instructions instead.
  const bool has_wgmma = compute_capability() == 90;
  return has_wgmma && is_for_wgmma(head_dim, softcap) ? AttentionPath::kWgmma : AttentionPath::kMma;
}

const AttentionKernels& attention_kernels(AttentionPath path) {
  return path == AttentionPath::kWgmma ? kKernels<AttentionPath::kWgmma> : kKernels<AttentionPath::kMma>;
}

const AttentionKernels& attention_kernels() {
  static constexpr auto kTable =
      complete_table<AttentionKernels>(forward_by_device, backward_by_device, cached_by_device);
  return kTable;
}

}  // namespace athanor::cuda
