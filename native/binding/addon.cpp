#include "binding/addon.h"

namespace athanor::binding {

void throw_athanor_error(Napi::Env env, const char* code, const std::string& message) {
  const auto* data = env.GetInstanceData<AddonData>();
  if (data != nullptr && !data->error_constructor.IsEmpty()) {
    const Napi::Object error =
        data->error_constructor.New({Napi::String::New(env, code), Napi::String::New(env, message)});
    throw Napi::Error(env, error);
  }
  Napi::Error error = Napi::Error::New(env, message);
  error.Set("code", Napi::String::New(env, code));
  throw error;
}

namespace {

// setErrorClass(AthanorError): called once by the loader, so that native errors are instances of the public
// class.
Napi::Value set_error_class(const Napi::CallbackInfo& info) {
  info.Env().GetInstanceData<AddonData>()->error_constructor = Napi::Persistent(info[0].As<Napi::Function>());
  return info.Env().Undefined();
}

Napi::Object initialize(Napi::Env env, Napi::Object exports) {
  env.SetInstanceData(new AddonData);
  exports.Set("setErrorClass", Napi::Function::New(env, set_error_class, "setErrorClass"));
  register_tensor(env, exports);
  register_runtime(exports);
  register_build_info(exports);
  register_elementwise(exports);
  register_linear(exports);
  register_attention(exports);
  register_decoder(env, exports);
  register_query_key_norm(exports);
  register_loss(exports);
  register_bench(exports);
  register_text(env, exports);
  register_shard(env, exports);
  register_norm(exports);
  register_activation(exports);
  register_embedding(exports);
  register_optimizer(exports);
  register_sampling(exports);
  register_random(exports);
  register_rows(exports);
  register_policy(exports);
  register_preference(exports);
  register_segments(exports);
  return exports;
}

}  // namespace
}  // namespace athanor::binding

static Napi::Object athanor_initialize(Napi::Env env, Napi::Object exports) {
  return athanor::binding::initialize(env, exports);
}

NODE_API_MODULE(athanor, athanor_initialize)
