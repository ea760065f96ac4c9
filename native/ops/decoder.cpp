// A decoding step of a small model is some fifty kernels of a few microseconds. Called for one by one from
// JavaScript, each costs as much again in the handles of its results.
#include "ops/decoder.h"

#include <cmath>

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

constexpr const char* kName = "decoder_cached";
constexpr size_t kTrunkWeights = 5;
constexpr size_t kLayerWeights = 12;
constexpr size_t kLayerProjections = 4;

struct Layer {
  const OptionalTensor* weights;   // kLayerWeights
  const OptionalTensor* adapters;  // 2 * kLayerProjections, or null
  const double* scales;
};

const Tensor& required(const OptionalTensor& tensor) {
  expect(tensor.has_value(), ErrorCode::kArgument, kName, "a weight that every decoder has is missing");
  return *tensor;
}

struct Normed {
  Tensor y, sum;
};

class Trunk {
 public:
  Trunk(bool llama, double eps) : llama_(llama), eps_(eps) {}

  Normed norm(const Tensor& x, const OptionalTensor& delta, const OptionalTensor* gain_and_bias) const {
    const Tensor& gain = required(gain_and_bias[0]);
    if (llama_) {
      auto [y, sum, rstd] = rms_norm_forward(x, delta, gain, eps_);
      return {y, sum};
    }
    auto [y, sum, mean, rstd] = layer_norm_forward(x, delta, gain, gain_and_bias[1], eps_);
    return {y, sum};
  }

  Tensor feed_forward(const Tensor& x, const Layer& layer) const {
    const Activation activation = llama_ ? Activation::kNone : Activation::kGelu;
    const Tensor hidden = project(x, layer, 8, 2, activation);
    return project(llama_ ? swiglu_forward(hidden) : hidden, layer, 10, 3);
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

 private:
  static Tensor linear(const Tensor& x, const Tensor& weight, const OptionalTensor& bias,
                       Activation activation, const OptionalTensor& addend) {
    return std::get<0>(linear_forward(x, weight, bias, activation, false, addend));
  }

  bool llama_;
  double eps_;
};

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
      ErrorCode::kArgument, kName, "expected weights, adapters and scales of ", layers,
      " layers, one for each cache, but got ", weights.size(), ", ", adapters.size(), " and ", scales.size());
  const OptionalTensor &position_table = weights[1], &rope_table = weights[2];
  const Trunk trunk(llama, eps);
  Tensor x = embedding_forward(tokens, position_table ? OptionalTensor(positions) : std::nullopt,
                               required(weights[0]), position_table, dtype);
  OptionalTensor delta;
  for (size_t i = 0; i < layers; ++i) {
    const Layer layer{&weights[kTrunkWeights + i * kLayerWeights],
                      adapted > 0 ? &adapters[i * 2 * kLayerProjections] : nullptr,
                      adapted > 0 ? &scales[i * kLayerProjections] : nullptr};
    const Normed first = trunk.norm(x, delta, layer.weights);
    const Tensor qkv = Trunk::project(first.y, layer, 2, 0);
    if (rope_table) rope(qkv, positions, *rope_table, heads, kv_heads, false);
    const double head_dim = static_cast<double>(qkv.dim(1)) / static_cast<double>(heads + 2 * kv_heads);
    const Tensor attended =
        attention_cached(qkv, caches[2 * i], caches[2 * i + 1], slots, cu_seqlens, past_lengths, max_tokens,
                         heads, kv_heads, 1 / std::sqrt(head_dim));
    const Normed second = trunk.norm(first.sum, Trunk::project(attended, layer, 4, 1), layer.weights + 6);
    x = second.sum;
    delta = trunk.feed_forward(second.y, layer);
  }
  return trunk.norm(x, delta, &weights[3]).y;
}

}  // namespace athanor::ops
