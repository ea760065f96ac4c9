#include "ops/decoder.h"

#include <memory>

#include "binding/frozen_words.h"
#include "binding/native_class.h"

ATHANOR_WORDS(athanor::ops::DecoderNorm, {"layer", athanor::ops::DecoderNorm::kLayer},
              {"rms", athanor::ops::DecoderNorm::kRms})
ATHANOR_WORDS(athanor::ops::DecoderActivation, {"gelu", athanor::ops::DecoderActivation::kGelu},
              {"gelu-erf", athanor::ops::DecoderActivation::kGeluErf},
              {"swiglu", athanor::ops::DecoderActivation::kSwiglu},
              {"geglu", athanor::ops::DecoderActivation::kGeglu})
ATHANOR_FIELDS(athanor::ops::DecoderNormWeights, gain, bias)
ATHANOR_FIELDS(athanor::ops::DecoderProjection, weight, bias, quantized, frozen)
ATHANOR_FIELDS(athanor::ops::DecoderQueryKeyNorm, query_gain, key_gain)
ATHANOR_FIELDS(athanor::ops::DecoderLayer, attention_norm, qkv, query_key_norm, rope_table, window, output,
               attention_output_norm, mlp_norm, activation, up, down, mlp_output_norm, parallel)
ATHANOR_FIELDS(athanor::ops::DecoderModel, token_table, position_table, layers, final_norm, norm, eps,
               norm_offset, heads, kv_heads, embedding_scale, attention_scale, attention_softcap, dtype)
ATHANOR_FIELDS(athanor::ops::DecoderAdapter, a, b, scale)
ATHANOR_FIELDS(athanor::ops::DecoderLayerAdapters, qkv, output, up, down)
ATHANOR_FIELDS(athanor::ops::DecoderStep, tokens, positions, cu_seqlens, slots, past_lengths, caches,
               max_tokens, adapters)

namespace athanor::binding {
namespace {

std::unique_ptr<ops::DecoderModel> keep_model(const ops::DecoderModel& model) {
  return std::make_unique<ops::DecoderModel>(model);
}

/// Holds the weights of a model by name, so that a step need not hand them over again.
class DecoderWrap : public NativeClass<DecoderWrap>, public Reclaimable {
 public:
  using Constructor = Bound<"NativeDecoder(model)", &keep_model>;

  explicit DecoderWrap(const Napi::CallbackInfo& info) : NativeClass(info), Reclaimable(info.Env()) {
    construct<Constructor>(info, model_);
  }

  Tensor forward(const ops::DecoderStep& step) {
    expect(model_ != nullptr, ErrorCode::kState, "the decoder was disposed");
    OneDevice device;
    device.check(model_->token_table);
    device.check(step.tokens);  // and with that every tensor of the step
    return ops::decoder_cached(*model_, step);
  }
  void dispose() { model_.reset(); }

 private:
  bool is_dead() const override { return Value().IsEmpty(); }

  std::unique_ptr<ops::DecoderModel> model_;
};

const Family decoder_family([](Exports& exports) {
  DecoderWrap::define<DecoderWrap::Constructor>(
      exports, DecoderWrap::method<&DecoderWrap::forward, "NativeDecoder.forward(step)">,
      DecoderWrap::method<&DecoderWrap::dispose, "NativeDecoder.dispose()">);
});

}  // namespace
}  // namespace athanor::binding
