// A decoding step of a small model is some fifty kernels of a few microseconds. Called for one by one from
// JavaScript, each costs as much again in the handles of its results.
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

namespace athanor::ops {
namespace {

using OptionalTensor = std::optional<Tensor>;
constexpr size_t kTrunkWeights = 5;
constexpr size_t kLayerWeights = 12;
constexpr size_t kLayerProjections = 4;

struct Layer {
  const OptionalTensor* weights;   // kLayerWeights
  const OptionalTensor* adapters;  // 2 * kLayerProjections, or null
  const double* scales;
};

const Tensor& required(const OptionalTensor& tensor) {
  expect(tensor.has_value(), ErrorCode::kArgument, "a weight that every decoder has is missing");
  return *tensor;
}

struct Normed {
  Tensor y, sum;
};

struct Decoder {
  const std::vector<OptionalTensor>& weights;
  const std::vector<OptionalTensor>& adapters;
  const std::vector<double>& scales;
  const std::vector<Tensor>& caches;
  int64_t max_tokens, heads, kv_heads;
  bool llama;
  double eps;
  DType dtype;
};

/// Sequences of one step: the tokens that they bring, and where each is cached.
struct Step {
  Tensor tokens, positions, cu_seqlens, slots, past_lengths;
};

class Trunk {
 public:
  explicit Trunk(const Decoder& decoder) : d_(decoder) {}

  Tensor run(const Step& step) const {
    const OptionalTensor &position_table = d_.weights[1], &rope_table = d_.weights[2];
    Tensor x = embedding_forward(step.tokens, position_table ? OptionalTensor(step.positions) : std::nullopt,
                                 required(d_.weights[0]), position_table, d_.dtype);
    OptionalTensor delta;
    for (size_t i = 0; i < d_.caches.size() / 2; ++i) {
      const Layer layer = layer_at(i);
      const Normed first = norm(x, delta, layer.weights);
      const Tensor qkv = project(first.y, layer, 2, 0);
      if (rope_table) rope(qkv, step.positions, *rope_table, d_.heads, d_.kv_heads, false);
      const Normed second = norm(first.sum, project(attend(qkv, i, step), layer, 4, 1), layer.weights + 6);
      x = second.sum;
      delta = feed_forward(second.y, layer);
    }
    return norm(x, delta, &d_.weights[3]).y;
  }

 private:
  Layer layer_at(size_t i) const {
    const bool is_adapted = !d_.adapters.empty();
    return {&d_.weights[kTrunkWeights + i * kLayerWeights],
            is_adapted ? &d_.adapters[i * 2 * kLayerProjections] : nullptr,
            is_adapted ? &d_.scales[i * kLayerProjections] : nullptr};
  }

  Normed norm(const Tensor& x, const OptionalTensor& delta, const OptionalTensor* gain_and_bias) const {
    const Tensor& gain = required(gain_and_bias[0]);
    if (d_.llama) {
      auto [y, sum, rstd] = rms_norm_forward(x, delta, gain, d_.eps);
      return {y, sum};
    }
    auto [y, sum, mean, rstd] = layer_norm_forward(x, delta, gain, gain_and_bias[1], d_.eps);
    return {y, sum};
  }

  Tensor attend(const Tensor& qkv, size_t layer, const Step& step) const {
    const double head_dim = static_cast<double>(qkv.dim(1)) / static_cast<double>(d_.heads + 2 * d_.kv_heads);
    return attention_cached({.qkv = qkv,
                             .keys = d_.caches[2 * layer],
                             .values = d_.caches[2 * layer + 1],
                             .slots = step.slots,
                             .cu_seqlens = step.cu_seqlens,
                             .past_lengths = step.past_lengths,
                             .max_tokens = d_.max_tokens,
                             .heads = d_.heads,
                             .kv_heads = d_.kv_heads,
                             .scale = 1 / std::sqrt(head_dim)});
  }

  Tensor feed_forward(const Tensor& x, const Layer& layer) const {
    const Activation activation = d_.llama ? Activation::kNone : Activation::kGelu;
    const Tensor hidden = project(x, layer, 8, 2, activation);
    return project(d_.llama ? swiglu_forward(hidden) : hidden, layer, 10, 3);
  }

  /// The layer's projection `index`, whose weight and bias are at `at`.
  static Tensor project(const Tensor& x, const Layer& layer, size_t at, size_t index,
                        Activation activation = Activation::kNone) {
    OptionalTensor delta;
    if (layer.adapters != nullptr && layer.adapters[2 * index].has_value()) {
      const Tensor narrow = linear(x, *layer.adapters[2 * index], {}, Activation::kNone, {});
      scale_into(narrow, layer.scales[index]);
      delta = linear(narrow, required(layer.adapters[2 * index + 1]), {}, Activation::kNone, {});
    }
    return linear(x, required(layer.weights[at]), layer.weights[at + 1], activation, delta);
  }

  static Tensor linear(const Tensor& x, const Tensor& weight, const OptionalTensor& bias,
                       Activation activation, const OptionalTensor& addend) {
    return std::get<0>(
        linear_forward({.x = x, .weight = weight, .bias = bias, .activation = activation, .addend = addend}));
  }

  const Decoder& d_;
};

// From this many sequences a thread on, each thread of a CPU decodes its own through all layers: it waits for
// no other after each kernel, and reads the cache while another multiplies. Every thread then reads all
// weights: 32 rows are 32 bf16 operations a byte, and a core that reads 20 GB/s is at its peak with 22.
constexpr int64_t kSequencesPerThread = 32;

/// Whether threads decode their own sequences; only where each brings one token.
bool is_shared_out(const Step& step) {
  const int64_t sequences = step.slots.numel(), threads = num_threads();
  if (step.tokens.device().type != DeviceType::kCpu || threads == 1) return false;
  if (sequences < kSequencesPerThread * threads || step.cu_seqlens.numel() != sequences + 1) return false;
  const int32_t* starts = step.cu_seqlens.host<int32_t>();
  for (int64_t i = 0; i <= sequences; ++i)
    if (starts[i] != i) return false;
  return true;
}

/// Before threads ask for them at once.
void pack_weights(const Decoder& d) {
  const auto pack = [&](const OptionalTensor& weight) {
    if (weight) packed_weight(*weight, d.dtype, true);
  };
  for (size_t at = kTrunkWeights; at < d.weights.size(); at += kLayerWeights)
    for (const size_t projection : {2, 4, 8, 10}) pack(d.weights[at + projection]);
  for (const OptionalTensor& adapter : d.adapters) pack(adapter);
}

Tensor run_shared_out(const Decoder& d, const Step& step) {
  const int64_t sequences = step.slots.numel();
  check_cache_slots(step.slots, d.caches[0]);
  pack_weights(d);
  const Tensor out({sequences, required(d.weights[0]).dim(1)}, d.dtype, step.tokens.device());
  parallel_shares(sequences, [&](int64_t begin, int64_t end) {
    // One token each, so the starts of any share are those from 0 on.
    const Step mine{step.tokens.slice(begin, end), step.positions.slice(begin, end),
                    step.cu_seqlens.slice(0, end - begin + 1), step.slots.slice(begin, end),
                    step.past_lengths.slice(begin, end)};
    const Tensor y = Trunk(d).run(mine);
    std::memcpy(out.slice(begin, end).raw(), y.raw(), y.bytes());
  });
  return out;
}

}  // namespace

Tensor decoder_cached(const std::vector<OptionalTensor>& weights, const std::vector<OptionalTensor>& adapters,
                      const std::vector<double>& scales, const std::vector<Tensor>& caches,
                      const Tensor& tokens, const Tensor& positions, const Tensor& cu_seqlens,
                      const Tensor& slots, const Tensor& past_lengths, int64_t max_tokens, int64_t heads,
                      int64_t kv_heads, bool llama, double eps, DType dtype) {
  const size_t layers = caches.size() / 2;
  const size_t adapted = adapters.empty() ? 0 : layers;
  expect(
      weights.size() == kTrunkWeights + layers * kLayerWeights && caches.size() == 2 * layers &&
          adapters.size() == adapted * 2 * kLayerProjections && scales.size() == adapted * kLayerProjections,
      ErrorCode::kArgument, "expected weights, adapters and scales of ", layers,
      " layers, one for each cache, but got ", weights.size(), ", ", adapters.size(), " and ", scales.size());
  const Decoder decoder{weights, adapters, scales, caches, max_tokens, heads, kv_heads, llama, eps, dtype};
  const Step step{tokens, positions, cu_seqlens, slots, past_lengths};
  return is_shared_out(step) ? run_shared_out(decoder, step) : Trunk(decoder).run(step);
}

}  // namespace athanor::ops
