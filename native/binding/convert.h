// bind<&ops::name>(exports, "name") makes a JavaScript function of a C++ one: each argument is
// unwrapped by its C++ type, the result is wrapped by its own, and an exception becomes an
// AthanorError with the code.
#pragma once

#include <napi.h>

#include <new>
#include <optional>
#include <string>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

#include "binding/addon.h"
#include "binding/from_js.h"
#include "binding/to_js.h"
#include "binding/type_text.h"
#include "core/operation.h"
#include "core/reclaim.h"

namespace athanor::binding {

/// Frees the tensors that nobody uses; `env` is a napi_env.
inline bool collect_garbage(void* env) {
  const Napi::Env environment(static_cast<napi_env>(env));
  return environment.GetInstanceData<AddonData>()->reclaimable.collect(environment);
}

/// Runs body under the operation's name and rethrows a C++ exception as an AthanorError.
/// `operation` must be a literal: work that is queued on a GPU is remembered by it.
template <class Body>
Napi::Value guarded(const char* operation, Napi::Env env, Body&& body) {
  const OperationScope scope(operation);
  const ReclaimScope last_resort(&collect_garbage, static_cast<napi_env>(env));
  try {
    return body();
  } catch (const Error& error) {
    throw_athanor_error(env, error_code_name(error.code()), error.what());
  } catch (const std::bad_alloc&) {
    throw_athanor_error(
        env, "ERR_OUT_OF_MEMORY",
        "[" + std::string(operation) + "] the system has no memory left for the engine's own tables");
  } catch (const Napi::Error&) {
    throw;
  } catch (const std::exception& error) {
    throw_athanor_error(env, "ERR_INTERNAL", error.what());
  }
}

/// An operation's tensors are all on one device: nothing below asks again.
class OneDevice {
 public:
  void check(const Tensor& tensor) {
    if (!first_) first_ = tensor.device();
    expect(*first_ == tensor.device(), ErrorCode::kDevice,
           "got tensors on the CPU and on the GPU; make model and inputs on one device");
  }
  template <class T>
  void check(const std::optional<T>& value) {
    if (value) check(*value);
  }
  template <class T>
  void check(const std::vector<T>& values) {
    for (const T& value : values) check(value);
  }
  template <class T>
  void check(const T& value) {
    if constexpr (has_fields<T>)
      std::apply([&](const auto&... field) { (check(value.*field.member), ...); }, fields<T>);
  }

 private:
  std::optional<Device> first_;
};

template <auto function>
struct Bound;
template <class Result, class... Args, Result (*function)(Args...)>
struct Bound<function> {
  static_assert(sizeof...(Args) <= kMostArguments, "so many arguments are the fields of a struct");

  static Napi::Value call(const Napi::CallbackInfo& info) {
    return invoke(info, std::index_sequence_for<Args...>{});
  }

  static std::vector<std::string> parameters() { return {type_text<Args>()...}; }
  static std::string result() { return type_text<Result>(); }

 private:
  template <size_t... I>
  static Napi::Value invoke(const Napi::CallbackInfo& info, std::index_sequence<I...>) {
    const Napi::Env env = info.Env();
    return guarded(static_cast<const char*>(info.Data()), env, [&]() -> Napi::Value {
      const std::tuple<std::decay_t<Args>...> given{argument_of<std::decay_t<Args>>(info, I)...};
      OneDevice device;
      (device.check(std::get<I>(given)), ...);
      if constexpr (std::is_void_v<Result>) {
        function(std::get<I>(given)...);
        return env.Undefined();
      } else {
        return to_js(env, function(std::get<I>(given)...));
      }
    });
  }
};

/// `name` must be a literal.
template <auto function>
void bind(Exports& exports, const char* name) {
  using Call = Bound<function>;
  exports.object.Set(name, Napi::Function::New(exports.env, Call::call, name, const_cast<char*>(name)));
  exports.signatures.push_back({name, Call::parameters, Call::result});
}

}  // namespace athanor::binding
