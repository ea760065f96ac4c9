#include "ops/decoder.h"

#include <memory>

#include "binding/convert.h"

ATHANOR_WORDS(athanor::ops::DecoderNorm, {"layer", athanor::ops::DecoderNorm::kLayer},
              {"rms", athanor::ops::DecoderNorm::kRms})
ATHANOR_WORDS(athanor::ops::DecoderActivation, {"gelu", athanor::ops::DecoderActivation::kGelu},
              {"swiglu", athanor::ops::DecoderActivation::kSwiglu})
ATHANOR_FIELDS(athanor::ops::DecoderNormWeights, gain, bias)
ATHANOR_FIELDS(athanor::ops::DecoderProjection, weight, bias)
ATHANOR_FIELDS(athanor::ops::DecoderQueryKeyNorm, query_gain, key_gain)
ATHANOR_FIELDS(athanor::ops::DecoderLayer, attention_norm, qkv, query_key_norm, rope_table, output, mlp_norm,
               activation, up, down)
ATHANOR_FIELDS(athanor::ops::DecoderModel, token_table, position_table, layers, final_norm, norm, eps, heads,
               kv_heads, dtype)
ATHANOR_FIELDS(athanor::ops::DecoderAdapter, a, b, scale)
ATHANOR_FIELDS(athanor::ops::DecoderLayerAdapters, qkv, output, up, down)
ATHANOR_FIELDS(athanor::ops::DecoderStep, tokens, positions, cu_seqlens, slots, past_lengths, caches,
               max_tokens, adapters)

namespace athanor::binding {
namespace {

/// Holds the weights of a model by name, so that a step need not hand them over again.
class DecoderWrap : public Napi::ObjectWrap<DecoderWrap> {
 public:
  static Napi::Function define(Napi::Env env) {
    return DefineClass(
        env, "NativeDecoder",
        {InstanceMethod<&DecoderWrap::forward>("forward"), InstanceMethod<&DecoderWrap::dispose>("dispose")});
  }

  explicit DecoderWrap(const Napi::CallbackInfo& info) : Napi::ObjectWrap<DecoderWrap>(info) {
    guarded("NativeDecoder", info.Env(), [&]() -> Napi::Value {
      model_ = std::make_unique<ops::DecoderModel>(argument_of<ops::DecoderModel>(info, 0));
      OneDevice().check(*model_);
      return info.Env().Undefined();
    });
  }

 private:
  Napi::Value forward(const Napi::CallbackInfo& info) {
    return guarded("decoderCached", info.Env(), [&]() -> Napi::Value {
      expect(model_ != nullptr, ErrorCode::kState, "the decoder was disposed");
      const auto step = argument_of<ops::DecoderStep>(info, 0);
      OneDevice device;
      device.check(model_->token_table);
      device.check(step);
      return to_js(info.Env(), ops::decoder_cached(*model_, step));
    });
  }

  Napi::Value dispose(const Napi::CallbackInfo& info) {
    model_.reset();
    return info.Env().Undefined();
  }

  std::unique_ptr<ops::DecoderModel> model_;
};

const Family decoder_family([](Exports& exports) {
  exports.object.Set("NativeDecoder", DecoderWrap::define(exports.env));
});

}  // namespace
}  // namespace athanor::binding
