// Flash attention (Dao et al., 2022; 2023): softmax over key blocks with a running maximum and sum,
// so scores exist for one block at a time. A task is one (sequence, key-value head) with all its
// queries; nothing is shared.
#include "kernels/attention.h"

#include "core/thread_pool.h"
#include "cpu/attention_rows.h"

namespace athanor::cpu::ATHANOR_ISA {
namespace {

template <class T>
void forward_typed(const AttentionShape& a, const void* qkv, void* out, float* lse) {
  const TileShape shape(a.head_dim, a.dtype);
  const int64_t width = (a.heads + 2 * a.kv_heads) * a.head_dim;
  const int64_t group = a.heads / a.kv_heads;
  parallel_for(a.sequences * a.kv_heads, [&](int64_t task) {
    const int64_t sequence = task / a.kv_heads, kv = task % a.kv_heads;
    const int64_t row = a.cu_seqlens[sequence], length = a.cu_seqlens[sequence + 1] - row;
    const int64_t blocks = ceil_divide(length, kBlock);
    auto* keys = static_cast<uint32_t*>(
        thread_scratch(static_cast<size_t>(blocks * (shape.across_lanes() + shape.along_lanes())) * 4 + 64));
    uint32_t* values = keys + blocks * shape.across_lanes();
    for (int64_t b = 0; b < blocks; ++b) {
      const int64_t present = smaller(kBlock, length - b * kBlock);
      fill_across(keys + b * shape.across_lanes(), kv_rows<T>(a, qkv, row + b * kBlock, kv, 0), width,
                  present, shape);
      fill_along(values + b * shape.along_lanes(), kv_rows<T>(a, qkv, row + b * kBlock, kv, 1), width,
                 present, shape);
    }
    for (int64_t h = 0; h < group; ++h)
      attend(query_rows<T>(a, qkv, out, lse, row, kv * group + h, 0, length), {keys, values}, shape, a);
  });
}

void forward(const AttentionShape& a, const void* qkv, void* out, float* lse) {
  if (a.dtype == DType::kF32) return forward_typed<float>(a, qkv, out, lse);
  forward_typed<bf16>(a, qkv, out, lse);
}

}  // namespace

void attention_backward(const AttentionShape& shape, const void* dout, const void* qkv, const void* out,
                        const float* lse, void* dqkv);
void attention_cached(const AttentionShape& shape, const AttentionCache& cache, const void* qkv, void* out);

constinit const AttentionKernels attention_kernels_table =
    complete_table<AttentionKernels>(forward, attention_backward, attention_cached);

}  // namespace athanor::cpu::ATHANOR_ISA
