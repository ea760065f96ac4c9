#pragma once

#include <tuple>

#include "core/tensor.h"

namespace athanor::ops {

/// qkv [n, (heads + 2 kv_heads) head_dim] f32 or bf16; cu_seqlens i32 [sequences + 1] from 0 to n.
/// Returns out [n, heads head_dim] and lse f32 [n, heads].
std::tuple<Tensor, Tensor> attention_forward(const Tensor& qkv, const Tensor& cu_seqlens, int64_t heads,
                                             int64_t kv_heads, double scale);

struct AttentionBackwardInputs {
  Tensor dout, qkv, out, lse, cu_seqlens;
  int64_t heads, kv_heads;
  double scale;
};

/// -> dqkv.
Tensor attention_backward(const AttentionBackwardInputs& in);

/// Keys and values for `slots` sequences of up to max_tokens, uninitialised; the layout inside is
/// private to the backend.
std::tuple<Tensor, Tensor> kv_cache_create(int64_t slots, int64_t max_tokens, int64_t kv_heads,
                                           int64_t head_dim, DType dtype);
/// Throws ERR_ARGUMENT for a slot that the cache does not have or that is given twice.
void check_cache_slots(const Tensor& slots, const Tensor& cache);

struct AttentionCachedInputs {
  Tensor qkv;           // of the new tokens
  Tensor keys, values;  // of kv_cache_create
  Tensor slots;         // i32 [sequences]
  Tensor cu_seqlens;    // of the new tokens
  Tensor past_lengths;  // i32 [sequences]
  int64_t max_tokens, heads, kv_heads;
  double scale;
};

/// Appends the new tokens' keys and values to the sequences' slots and attends to all of them.
/// Throws ERR_ARGUMENT when a slot would hold more than max_tokens.
Tensor attention_cached(const AttentionCachedInputs& in);

/// f32 [max_positions, head_dim]: cosines of position / theta^(2 i / head_dim), then sines (Su et
/// al., 2021, eq. 15).
Tensor rope_table(int64_t max_positions, int64_t head_dim, double theta);
/// Rotates the q and k heads of qkv in place; `inverse` rotates back.
void rope(const Tensor& qkv, const Tensor& positions, const Tensor& table, int64_t heads, int64_t kv_heads,
          bool inverse);

}  // namespace athanor::ops
