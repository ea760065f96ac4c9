#pragma once

#include <optional>
#include <tuple>

#include "core/tensor.h"

namespace athanor::ops {

/// RMS norm of each query and each key head on its own; values pass unchanged. qkv [n, (heads +
/// 2 kv_heads) head_dim] f32 or bf16; gains f32 [head_dim], shared by the heads. Gains as wide as
/// all heads together, [heads head_dim] and [kv_heads head_dim], norm all queries of a token at
/// once, and all its keys. Returns y, and for the backward pass the queries and the keys, one row
/// per norm, and their rstd f32.
struct QueryKeyNormForwardInputs {
  Tensor qkv, query_gain, key_gain;
  int64_t heads, kv_heads;
  double eps;
  std::optional<double> gain_offset = {};  // added to both gains
};
std::tuple<Tensor, Tensor, Tensor, Tensor, Tensor> query_key_norm_forward(
    const QueryKeyNormForwardInputs& in);

struct QueryKeyNormBackwardInputs {
  Tensor dy;                      // [n, (heads + 2 kv_heads) head_dim]
  Tensor queries, keys;           // of the forward pass
  Tensor query_gain, key_gain;    // of the forward pass
  Tensor query_rstd, key_rstd;    // of the forward pass
  Tensor dquery_gain, dkey_gain;  // of the gains' shapes, added to
  std::optional<double> gain_offset = {};
};

/// -> dqkv.
Tensor query_key_norm_backward(const QueryKeyNormBackwardInputs& in);

}  // namespace athanor::ops
