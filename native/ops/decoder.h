#pragma once

#include <optional>
#include <vector>

#include "core/tensor.h"

namespace athanor::ops {

/// A decoder's trunk over tokens that continue cached sequences: embedding, blocks and final norm -> [n, d].
/// weights: token table, position table?, rope table?, then gain and bias? of the final norm, then 12 a
/// layer, weight and bias? of each of the attention's norm, qkv, output, the feed-forward network's norm, up,
/// down. adapters: none, or 8 a layer, A? and B? of each of qkv, output, up, down; scales 4 a layer. caches:
/// keys and values of each layer. llama: RMS norm and SwiGLU, where up has gate and up.
Tensor decoder_cached(const std::vector<std::optional<Tensor>>& weights,
                      const std::vector<std::optional<Tensor>>& adapters, const std::vector<double>& scales,
                      const std::vector<Tensor>& caches, const Tensor& tokens, const Tensor& positions,
                      const Tensor& cu_seqlens, const Tensor& slots, const Tensor& past_lengths,
                      int64_t max_tokens, int64_t heads, int64_t kv_heads, bool llama, double eps,
                      DType dtype);

}  // namespace athanor::ops
