// Causal attention over packed sequences. A sequence's keys are taken in blocks of 64 from its own
// start, wherever it lies in the batch. Training and decoding run the same code per query row, so
// their rows agree to the bit.
#pragma once

#include <cstdint>

#include "core/dtype.h"
#include "kernels/family.h"

namespace athanor {

/// Longer than any sequence, and far enough from 2^31 that a position may be added.
constexpr int64_t kNoAttentionWindow = int64_t{1} << 30;

struct AttentionShape {
  int64_t tokens;  // rows of qkv [tokens, (heads + 2 kv_heads) * head_dim]: q, then k, then v heads
  int64_t sequences;
  const int32_t* cu_seqlens;  // [sequences + 1]
  int64_t heads, kv_heads, head_dim;
  float scale;
  DType dtype;
  int64_t window = kNoAttentionWindow;  // keys that a query sees: its own and those just before
  float softcap = 0;                    // above 0: a score s counts as softcap tanh(s / softcap)

  /// The first key that the query at this position sees.
  constexpr int64_t first_key(int64_t position) const {
    return position < window ? 0 : position - window + 1;
  }
};

/// Buffers of [slots, kv_heads, capacity, padded head_dim] elements, capacity a multiple of the key
/// block and head_dim padded to 16; the layout inside is private to the backend. Slots past the end
/// are uninitialised: a kernel may read keys there (it masks their scores) but never values, since
/// 0 * NaN is NaN.
struct AttentionCache {
  void* keys;
  void* values;
  const int32_t* slots;         // [sequences]
  const int32_t* past_lengths;  // [sequences]
  int64_t capacity;
  int64_t slot_count;
};

struct AttentionKernels {
  /// out [tokens, heads * head_dim]; lse f32 [tokens, heads], the log of the softmax's denominator.
  void (*forward)(const AttentionShape& shape, const void* qkv, void* out, float* lse);
  void (*backward)(const AttentionShape& shape, const void* dout, const void* qkv, const void* out,
                   const float* lse, void* dqkv);
  /// Appends the new keys and values to the cache and attends from the new queries to all of it.
  void (*cached)(const AttentionShape& shape, const AttentionCache& cache, const void* qkv, void* out);
};
ATHANOR_KERNEL_FAMILY(AttentionKernels, attention_kernels)

constexpr int64_t kAttentionKeyBlock = 64;
constexpr int64_t kAttentionHeadPadding = 16;

}  // namespace athanor
