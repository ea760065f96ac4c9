#include <memory>

#include "binding/convert.h"
#include "ops/decoder.h"

namespace athanor::binding {
namespace {

/// A word of JavaScript and the value that it stands for.
template <class T>
struct Word {
  const char* text;
  T value;
};
constexpr Word<ops::DecoderNorm> kNorms[] = {{"layer", ops::DecoderNorm::kLayer},
                                             {"rms", ops::DecoderNorm::kRms}};
constexpr Word<ops::DecoderActivation> kActivations[] = {{"gelu", ops::DecoderActivation::kGelu},
                                                         {"swiglu", ops::DecoderActivation::kSwiglu}};

/// Reads the named fields of one JavaScript object. Every problem names the field.
class Fields {
 public:
  explicit Fields(const Napi::Value& value) {
    if (!value.IsObject()) fail_type("an object", value);
    object_ = value.As<Napi::Object>();
  }

  template <class T>
  T required(const char* name) const {
    return From<T>::get(value(name));
  }
  std::optional<Tensor> optional(const char* name) const {
    return From<std::optional<Tensor>>::get(object_.Get(name));
  }
  Fields inner(const char* name) const { return Fields(value(name)); }
  std::optional<Fields> optional_inner(const char* name) const {
    const Napi::Value inner = object_.Get(name);
    return inner.IsUndefined() ? std::nullopt : std::optional<Fields>(inner);
  }

  /// What `one` makes of each element of the array.
  template <class One>
  auto list(const char* name, One&& one) const {
    const Napi::Value list = value(name);
    if (!list.IsArray()) fail_type("an array", list);
    const auto array = list.As<Napi::Array>();
    std::vector<decltype(one(Fields(list)))> out;
    for (uint32_t i = 0; i < array.Length(); ++i) out.push_back(one(Fields(array.Get(i))));
    return out;
  }

  template <class T, size_t count>
  T word(const char* name, const Word<T> (&words)[count]) const {
    const std::string text = required<std::string>(name);
    for (const Word<T>& word : words)
      if (text == word.text) return word.value;
    fail(ErrorCode::kArgument, "decoder", "there is no ", name, " called ", text);
  }

 private:
  Napi::Value value(const char* name) const {
    const Napi::Value value = object_.Get(name);
    expect(!value.IsUndefined(), ErrorCode::kArgument, "decoder", name, " is missing");
    return value;
  }

  Napi::Object object_;
};

ops::DecoderNormWeights norm_of(const Fields& from) {
  return {from.required<Tensor>("gain"), from.optional("bias")};
}

ops::DecoderProjection projection_of(const Fields& from) {
  return {from.required<Tensor>("weight"), from.optional("bias")};
}

std::optional<ops::DecoderQueryKeyNorm> query_key_norm_of(const std::optional<Fields>& from) {
  if (!from) return std::nullopt;
  return ops::DecoderQueryKeyNorm{from->required<Tensor>("queryGain"), from->required<Tensor>("keyGain")};
}

ops::DecoderLayer layer_of(const Fields& from) {
  return {.attention_norm = norm_of(from.inner("attentionNorm")),
          .qkv = projection_of(from.inner("qkv")),
          .query_key_norm = query_key_norm_of(from.optional_inner("queryKeyNorm")),
          .rope_table = from.optional("ropeTable"),
          .output = projection_of(from.inner("output")),
          .mlp_norm = norm_of(from.inner("mlpNorm")),
          .activation = from.word("activation", kActivations),
          .up = projection_of(from.inner("up")),
          .down = projection_of(from.inner("down"))};
}

ops::DecoderModel model_of(const Fields& from) {
  return {.token_table = from.required<Tensor>("tokenTable"),
          .position_table = from.optional("positionTable"),
          .layers = from.list("layers", layer_of),
          .final_norm = norm_of(from.inner("finalNorm")),
          .norm = from.word("norm", kNorms),
          .eps = from.required<double>("eps"),
          .heads = from.required<int64_t>("heads"),
          .kv_heads = from.required<int64_t>("kvHeads"),
          .dtype = from.required<DType>("dtype")};
}

std::optional<ops::DecoderAdapter> adapter_of(const std::optional<Fields>& from) {
  if (!from) return std::nullopt;
  return ops::DecoderAdapter{from->required<Tensor>("a"), from->required<Tensor>("b"),
                             from->required<double>("scale")};
}

ops::DecoderLayerAdapters adapters_of(const Fields& from) {
  return {.qkv = adapter_of(from.optional_inner("qkv")),
          .output = adapter_of(from.optional_inner("output")),
          .up = adapter_of(from.optional_inner("up")),
          .down = adapter_of(from.optional_inner("down"))};
}

ops::DecoderStep step_of(const Fields& from) {
  return {.tokens = from.required<Tensor>("tokens"),
          .positions = from.required<Tensor>("positions"),
          .cu_seqlens = from.required<Tensor>("cuSeqlens"),
          .slots = from.required<Tensor>("slots"),
          .past_lengths = from.required<Tensor>("pastLengths"),
          .caches = from.required<std::vector<Tensor>>("caches"),
          .max_tokens = from.required<int64_t>("maxTokens"),
          .adapters = from.list("adapters", adapters_of)};
}

/// The model is on one device, for parameters are made on the one in use; a step's tensors are asked.
void check_step(const ops::DecoderModel& model, const ops::DecoderStep& step) {
  std::optional<Device> device = model.token_table.device();
  for (const Tensor* tensor :
       {&step.tokens, &step.positions, &step.cu_seqlens, &step.slots, &step.past_lengths})
    check_device(current_operation(), device, *tensor);
  check_device(current_operation(), device, step.caches);
}

/// Holds the weights of a model by name, so that a step need not hand them over again.
class DecoderWrap : public Napi::ObjectWrap<DecoderWrap> {
 public:
  static void define(Napi::Env env, Napi::Object exports) {
    exports.Set("NativeDecoder", DefineClass(env, "NativeDecoder",
                                             {InstanceMethod<&DecoderWrap::forward>("forward"),
                                              InstanceMethod<&DecoderWrap::dispose>("dispose")}));
  }

  explicit DecoderWrap(const Napi::CallbackInfo& info) : Napi::ObjectWrap<DecoderWrap>(info) {
    guarded(info.Env(), [&]() -> Napi::Value {
      model_ = std::make_unique<ops::DecoderModel>(model_of(Fields(info[0])));
      return info.Env().Undefined();
    });
  }

 private:
  Napi::Value forward(const Napi::CallbackInfo& info) {
    const OperationScope scope("decoderCached");
    return guarded(info.Env(), [&]() -> Napi::Value {
      expect(model_ != nullptr, ErrorCode::kState, "decoder", "it was disposed");
      const ops::DecoderStep step = step_of(Fields(info[0]));
      check_step(*model_, step);
      return to_js(info.Env(), ops::decoder_cached(*model_, step));
    });
  }

  Napi::Value dispose(const Napi::CallbackInfo& info) {
    model_.reset();
    return info.Env().Undefined();
  }

  std::unique_ptr<ops::DecoderModel> model_;
};

}  // namespace

void register_decoder(Napi::Env env, Napi::Object exports) { DecoderWrap::define(env, exports); }

}  // namespace athanor::binding
