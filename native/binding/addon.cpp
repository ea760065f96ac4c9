#include "binding/addon.h"

#include "binding/convert.h"

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

Family::Family(void (*add)(Exports& exports)) : add_(add), before_(newest()) { newest() = this; }

void Family::add_all(Exports& exports) {
  for (const Family* family = newest(); family != nullptr; family = family->before_) family->add_(exports);
}

// Complete before main, when the static objects are made, and only read after that.
const Family*& Family::newest() {
  static const Family* family = nullptr;
  return family;
}

namespace {

// setErrorClass(AthanorError): called once by the loader, so that native errors are instances of
// the public class.
Napi::Value set_error_class(const Napi::CallbackInfo& info) {
  info.Env().GetInstanceData<AddonData>()->error_constructor = Napi::Persistent(info[0].As<Napi::Function>());
  return info.Env().Undefined();
}

// signatures(): [name, parameter names, parameter types, result type] of each bound function.
Napi::Value signatures(const Napi::CallbackInfo& info) {
  std::vector<std::tuple<std::string, std::vector<std::string>, std::vector<std::string>, std::string>> all;
  for (const Signature& s : info.Env().GetInstanceData<AddonData>()->signatures)
    all.emplace_back(s.name, s.names(), s.parameters(), s.result());
  return to_js(info.Env(), all);
}

Napi::Object initialize(Napi::Env env, Napi::Object object) {
  auto* data = new AddonData;
  env.SetInstanceData(data);
  object.Set("setErrorClass", Napi::Function::New(env, set_error_class, "setErrorClass"));
  object.Set("signatures", Napi::Function::New(env, signatures, "signatures"));
  Exports exports{env, object, data->signatures};
  Family::add_all(exports);
  return object;
}

}  // namespace
}  // namespace athanor::binding

static Napi::Object athanor_initialize(Napi::Env env, Napi::Object exports) {
  return athanor::binding::initialize(env, exports);
}

NODE_API_MODULE(athanor, athanor_initialize)
