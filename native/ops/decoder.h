// A decoder's trunk over tokens that continue cached sequences, as one call from JavaScript. A
// model names the parts of each of its layers; src/nn/config.ts describes the same choices.
#pragma once

#include <optional>
#include <vector>

#include "core/tensor.h"
#include "ops/frozen.h"

namespace athanor::ops {

enum class DecoderNorm { kLayer, kRms };
enum class DecoderActivation { kGelu, kGeluErf, kSwiglu, kGeglu };

struct DecoderNormWeights {
  Tensor gain;  // [channels]
  std::optional<Tensor> bias = {};
};

struct DecoderProjection {
  std::optional<Tensor> weight;  // [out, in]
  std::optional<Tensor> bias = {};
  std::optional<Tensor> quantized = {};     // from quantize_weight, used in the weight's place
  std::optional<FrozenWeight> frozen = {};  // where there is no weight
};

/// Gains of the RMS norm of queries and keys: [head_dim] for each head alone, or as wide as all.
struct DecoderQueryKeyNorm {
  Tensor query_gain, key_gain;
};

/// One block in the order of use. Norms stand before a branch, after it, or in both places. Without
/// `rope_table` the layer rotates nothing, without `window` it sees all earlier tokens. `parallel`
/// branches both read the residual stream as it was before the block.
struct DecoderLayer {
  std::optional<DecoderNormWeights> attention_norm = {};
  DecoderProjection qkv;
  std::optional<DecoderQueryKeyNorm> query_key_norm = {};
  std::optional<Tensor> rope_table = {};  // f32 [max_positions, rotated part of head_dim]
  std::optional<int64_t> window = {};
  DecoderProjection output;
  std::optional<DecoderNormWeights> attention_output_norm = {};
  std::optional<DecoderNormWeights> mlp_norm = {};
  DecoderActivation activation;
  DecoderProjection up;  // gate and up, one under the other, where the activation has a gate
  DecoderProjection down;
  std::optional<DecoderNormWeights> mlp_output_norm = {};
  std::optional<bool> parallel = {};
};

struct DecoderModel {
  Tensor token_table;  // [vocabulary, channels]
  std::optional<Tensor> position_table = {};
  std::vector<DecoderLayer> layers;
  DecoderNormWeights final_norm;
  DecoderNorm norm;
  double eps;
  std::optional<double> norm_offset = {};  // added to the gains of RMS norms
  int64_t heads, kv_heads;
  std::optional<double> embedding_scale = {};    // on the embeddings
  std::optional<double> attention_scale = {};    // on scores; none: 1 / sqrt(head_dim)
  std::optional<double> attention_softcap = {};  // see AttentionForwardInputs
  DType dtype;                                   // of activations
};

/// A projection's adapter: scale * b a is added to its weight.
struct DecoderAdapter {
  Tensor a, b;  // [rank, in], [out, rank]
  double scale;
};

struct DecoderLayerAdapters {
  std::optional<DecoderAdapter> qkv, output, up, down;
};

/// The sequences of one call: the tokens that they bring, and where each is cached.
struct DecoderStep {
  Tensor tokens, positions;                    // i32 [n]
  Tensor cu_seqlens;                           // i32 [sequences + 1]
  Tensor slots, past_lengths;                  // i32 [sequences]
  std::vector<Tensor> caches;                  // per layer keys, then values; see kv_cache_create
  int64_t max_tokens;                          // of a slot
  std::vector<DecoderLayerAdapters> adapters;  // one per layer, or none
};

/// Embedding, blocks and final norm -> [n, channels], with the bits of the full forward pass.
/// Appends to the caches. Throws ERR_ARGUMENT if caches or adapters do not fit the layers, and the
/// errors of the operations.
Tensor decoder_cached(const DecoderModel& model, const DecoderStep& step);

}  // namespace athanor::ops
