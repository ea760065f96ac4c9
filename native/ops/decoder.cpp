// A decoding step of a small model is about fifty kernels of a few microseconds. If JavaScript
// called them one by one, the handles of their results would cost as much again.
#include "ops/decoder.h"

#include <cmath>
#include <cstring>

#include "core/thread_pool.h"
#include "ops/activation.h"
#include "ops/attention.h"
#include "ops/check.h"
#include "ops/elementwise.h"
#include "ops/embedding.h"
#include "ops/linear.h"
#include "ops/norm.h"
#include "ops/quantized.h"
#include "ops/query_key_norm.h"

namespace athanor::ops {
namespace {

using OptionalTensor = std::optional<Tensor>;
using OptionalAdapter = std::optional<DecoderAdapter>;

struct Normed {
  Tensor y, sum;
};

class Trunk {
 public:
  Trunk(const DecoderModel& model, const DecoderStep& step) : model_(model), step_(step) {}

  Tensor run() const {
    const OptionalTensor positions = model_.position_table ? OptionalTensor(step_.positions) : std::nullopt;
    Tensor x =
        embedding_forward(step_.tokens, positions, model_.token_table, model_.position_table, model_.dtype);
    if (model_.embedding_scale) scale_into(x, static_cast<float>(*model_.embedding_scale));
    OptionalTensor delta;
    for (size_t i = 0; i < model_.layers.size(); ++i) {
      const DecoderLayer& layer = model_.layers[i];
      const DecoderLayerAdapters& adapters = step_.adapters.empty() ? none_ : step_.adapters[i];
      const Normed first = norm(x, delta, layer.attention_norm);
      const Tensor attended = after(attention(first.y, i, adapters), layer.attention_output_norm);
      if (layer.parallel.value_or(false)) {
        const Tensor second = norm(first.sum, std::nullopt, layer.mlp_norm).y;
        x = axpby(first.sum, 1, attended, 1);
        delta = after(feed_forward(second, layer, adapters), layer.mlp_output_norm);
        continue;
      }
      const Normed second = norm(first.sum, attended, layer.mlp_norm);
      x = second.sum;
      delta = after(feed_forward(second.y, layer, adapters), layer.mlp_output_norm);
    }
    return norm(x, delta, model_.final_norm).y;
  }

 private:
  /// Of a branch that may have no norm before it: then it reads the stream itself.
  Normed norm(const Tensor& x, const OptionalTensor& delta,
              const std::optional<DecoderNormWeights>& weights) const {
    if (weights) return norm(x, delta, *weights);
    const Tensor sum = delta ? axpby(x, 1, *delta, 1) : x;
    return {sum, sum};
  }

  Tensor after(const Tensor& branch, const std::optional<DecoderNormWeights>& weights) const {
    return weights ? norm(branch, std::nullopt, *weights).y : branch;
  }

  Normed norm(const Tensor& x, const OptionalTensor& delta, const DecoderNormWeights& weights) const {
    if (model_.norm == DecoderNorm::kRms) {
      auto [y, sum, rstd] = rms_norm_forward(x, delta, weights.gain, model_.eps, model_.norm_offset);
      return {y, sum};
    }
    auto [y, sum, mean, rstd] = layer_norm_forward(x, delta, weights.gain, weights.bias, model_.eps);
    return {y, sum};
  }

  Tensor attention(const Tensor& x, size_t index, const DecoderLayerAdapters& adapters) const {
    const DecoderLayer& layer = model_.layers[index];
    const int64_t heads = model_.heads, kv_heads = model_.kv_heads;
    Tensor qkv = project(x, layer.qkv, adapters.qkv);
    if (const auto& norms = layer.query_key_norm) {
      qkv = std::get<0>(query_key_norm_forward({.qkv = qkv,
                                                .query_gain = norms->query_gain,
                                                .key_gain = norms->key_gain,
                                                .heads = heads,
                                                .kv_heads = kv_heads,
                                                .eps = model_.eps,
                                                .gain_offset = model_.norm_offset}));
    }
    if (layer.rope_table) rope(qkv, step_.positions, *layer.rope_table, heads, kv_heads, false);
    const double head_dim = static_cast<double>(qkv.dim(1)) / static_cast<double>(heads + 2 * kv_heads);
    const Tensor attended =
        attention_cached({.qkv = qkv,
                          .keys = step_.caches[2 * index],
                          .values = step_.caches[2 * index + 1],
                          .slots = step_.slots,
                          .cu_seqlens = step_.cu_seqlens,
                          .past_lengths = step_.past_lengths,
                          .max_tokens = step_.max_tokens,
                          .heads = heads,
                          .kv_heads = kv_heads,
                          .scale = model_.attention_scale.value_or(1 / std::sqrt(head_dim)),
                          .window = layer.window,
                          .softcap = model_.attention_softcap});
    return project(attended, layer.output, adapters.output);
  }

  Tensor feed_forward(const Tensor& x, const DecoderLayer& layer,
                      const DecoderLayerAdapters& adapters) const {
    switch (layer.activation) {
      case DecoderActivation::kGelu:
        return project(project(x, layer.up, adapters.up, Activation::kGelu), layer.down, adapters.down);
      case DecoderActivation::kGeluErf:
        return project(gelu_erf_forward(project(x, layer.up, adapters.up)), layer.down, adapters.down);
      case DecoderActivation::kGeglu:
        return project(geglu_forward(project(x, layer.up, adapters.up)), layer.down, adapters.down);
      case DecoderActivation::kSwiglu:
        return project(swiglu_forward(project(x, layer.up, adapters.up)), layer.down, adapters.down);
    }
    fail(ErrorCode::kInternal, "unknown activation");
  }

  Tensor project(const Tensor& x, const DecoderProjection& projection, const OptionalAdapter& adapter,
                 Activation activation = Activation::kNone) const {
    OptionalTensor delta;
    if (adapter) {
      const Tensor narrow = linear(x, {adapter->a}, Activation::kNone, {});
      scale_into(narrow, adapter->scale);
      delta = linear(narrow, {adapter->b}, Activation::kNone, {});
    }
    return linear(x, projection, activation, delta);
  }

  Tensor linear(const Tensor& x, const DecoderProjection& projection, Activation activation,
                const OptionalTensor& addend) const {
    const auto& [weight, bias, quantized, frozen] = projection;
    expect(weight || frozen, ErrorCode::kArgument, "expected a weight or a frozen one of each projection");
    if (quantized) {
      return quantized_linear({.x = x,
                               .weight = *quantized,
                               .outputs = frozen ? frozen->outputs : weight->dim(0),
                               .bias = bias,
                               .activation = activation,
                               .addend = addend,
                               .dtype = model_.dtype});
    }
    return std::get<0>(linear_forward({.x = x,
                                       .weight = frozen ? dequantize_frozen(*frozen, model_.dtype) : *weight,
                                       .bias = bias,
                                       .activation = activation,
                                       .addend = addend}));
  }

  const DecoderModel& model_;
  const DecoderStep& step_;
  const DecoderLayerAdapters none_;
};

// From this many sequences per thread on, each thread of a CPU decodes its own sequences through
// all layers. It does not wait for the others after each kernel, and reads the cache while another
// multiplies. Every thread then reads all weights: 32 rows are 32 bf16 operations per byte, and a
// core that reads 20 GB/s is at its peak with 22.
constexpr int64_t kSequencesPerThread = 32;

/// Whether a projection would be dequantized in each call, by every thread for itself.
bool is_dequantized(const DecoderModel& model) {
  for (const DecoderLayer& layer : model.layers)
    for (const auto* projection : {&layer.qkv, &layer.output, &layer.up, &layer.down})
      if (!projection->weight && !projection->quantized) return true;
  return false;
}

/// Whether threads decode their own sequences; only where each brings one token.
bool is_shared_out(const DecoderModel& model, const DecoderStep& step) {
  const int64_t sequences = step.slots.numel(), threads = num_threads();
  if (step.tokens.device().type != DeviceType::kCpu || threads == 1) return false;
  if (sequences < kSequencesPerThread * threads || step.cu_seqlens.numel() != sequences + 1) return false;
  if (is_dequantized(model)) return false;
  const int32_t* starts = step.cu_seqlens.host<int32_t>();
  for (int64_t i = 0; i <= sequences; ++i)
    if (starts[i] != i) return false;
  return true;
}

/// Before threads ask for them at once.
void pack_weights(const DecoderModel& model, const DecoderStep& step) {
  const auto pack = [&](const Tensor& weight) { packed_weight(weight, model.dtype, true); };
  for (const DecoderLayer& layer : model.layers)
    for (const auto* projection : {&layer.qkv, &layer.output, &layer.up, &layer.down})
      if (!projection->quantized) pack(*projection->weight);
  for (const DecoderLayerAdapters& layer : step.adapters)
    for (const auto* adapter : {&layer.qkv, &layer.output, &layer.up, &layer.down})
      if (*adapter) {
        pack((*adapter)->a);
        pack((*adapter)->b);
      }
}

/// The sequences [begin, end) of a step in which each brings one token.
DecoderStep share_of(const DecoderStep& step, int64_t begin, int64_t end) {
  DecoderStep share = step;
  for (Tensor* part : {&share.tokens, &share.positions, &share.slots, &share.past_lengths})
    *part = part->slice(begin, end);
  // One token each, so the starts of any share are those from 0 on.
  share.cu_seqlens = step.cu_seqlens.slice(0, end - begin + 1);
  return share;
}

Tensor run_shared_out(const DecoderModel& model, const DecoderStep& step) {
  const int64_t sequences = step.slots.numel();
  check_cache_slots(step.slots, step.caches[0]);
  pack_weights(model, step);
  const Tensor out({sequences, model.token_table.dim(1)}, model.dtype, step.tokens.device());
  parallel_shares(sequences, [&](int64_t begin, int64_t end) {
    const DecoderStep share = share_of(step, begin, end);
    const Tensor y = Trunk(model, share).run();
    std::memcpy(out.slice(begin, end).raw(), y.raw(), y.bytes());
  });
  return out;
}

}  // namespace

Tensor decoder_cached(const DecoderModel& model, const DecoderStep& step) {
  const size_t layers = model.layers.size();
  expect(step.caches.size() == 2 * layers && (step.adapters.empty() || step.adapters.size() == layers),
         ErrorCode::kArgument, "expected keys and values, and adapters or none, for each of ", layers,
         " layers but got ", step.caches.size(), " caches and adapters of ", step.adapters.size(), " layers");
  return is_shared_out(model, step) ? run_shared_out(model, step) : Trunk(model, step).run();
}

}  // namespace athanor::ops
