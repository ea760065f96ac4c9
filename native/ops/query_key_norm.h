#pragma once

#include <tuple>

#include "core/tensor.h"

namespace athanor::ops {

/// RMS norm of each query and each key head on its own; values pass unchanged. qkv [n, (heads +
/// 2 kv_heads) head_dim] f32 or bf16; gains f32 [head_dim], shared by the heads. Returns y, and for
/// the backward pass the queries and the keys [n, heads head_dim] and their rstd f32 [n heads]; for
/// keys with kv_heads.
std::tuple<Tensor, Tensor, Tensor, Tensor, Tensor> query_key_norm_forward(const Tensor& qkv,
                                                                          const Tensor& query_gain,
                                                                          const Tensor& key_gain,
                                                                          int64_t heads, int64_t kv_heads,
                                                                          double eps);
struct QueryKeyNormBackwardInputs {
  Tensor dy;                      // [n, (heads + 2 kv_heads) head_dim]
  Tensor queries, keys;           // of the forward pass
  Tensor query_gain, key_gain;    // f32 [head_dim]
  Tensor query_rstd, key_rstd;    // of the forward pass
  Tensor dquery_gain, dkey_gain;  // f32 [head_dim], added to
};

/// -> dqkv.
Tensor query_key_norm_backward(const QueryKeyNormBackwardInputs& in);

}  // namespace athanor::ops
