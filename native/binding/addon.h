#pragma once

#include <napi.h>

#include <string>

namespace athanor::binding {

/// What one JavaScript environment (the main thread or a worker) holds.
struct AddonData {
  Napi::FunctionReference tensor_constructor;
  Napi::FunctionReference error_constructor;
};

[[noreturn]] void throw_athanor_error(Napi::Env env, const char* code, const std::string& message);

// One registration function a family file, called in addon.cpp.
void register_tensor(Napi::Env env, Napi::Object exports);
void register_runtime(Napi::Object exports);
void register_build_info(Napi::Object exports);
void register_elementwise(Napi::Object exports);
void register_linear(Napi::Object exports);
void register_attention(Napi::Object exports);
void register_decoder(Napi::Env env, Napi::Object exports);
void register_query_key_norm(Napi::Object exports);
void register_loss(Napi::Object exports);
void register_bench(Napi::Object exports);
void register_text(Napi::Env env, Napi::Object exports);
void register_shard(Napi::Env env, Napi::Object exports);
void register_norm(Napi::Object exports);
void register_activation(Napi::Object exports);
void register_embedding(Napi::Object exports);
void register_optimizer(Napi::Object exports);
void register_sampling(Napi::Object exports);
void register_random(Napi::Object exports);
void register_rows(Napi::Object exports);
void register_policy(Napi::Object exports);
void register_preference(Napi::Object exports);
void register_segments(Napi::Object exports);

}  // namespace athanor::binding
