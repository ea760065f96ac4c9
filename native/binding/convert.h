// bind<&ops::name, "name(a, b)">(exports) makes a JavaScript function of a C++ one: each argument
// is unwrapped by its C++ type, the result is wrapped by its own, and an exception becomes an
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
#include "binding/declaration.h"
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
  } catch (const Napi::Error& error) {
    if (error.Value().IsObject()) throw;
    // node-addon-api hands such a value on inside of a wrapper, and aborts where the environment
    // dies while it unwraps it.
    throw_athanor_error(env, "ERR_ARGUMENT", "a getter of the arguments threw what is no Error");
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

/// What Args and Result mean at the border, under a JavaScript declaration.
template <Declaration declaration, class Result, class... Args>
struct Call {
  static_assert(sizeof...(Args) <= kMostArguments, "so many arguments are the fields of a struct");
  static_assert(sizeof...(Args) == declaration.parameters,
                "the declaration has another number of parameters");

  /// Calls function(arguments...) and then use(result), which returns the JavaScript value.
  template <class Function, class Use>
  static Napi::Value run(const Napi::CallbackInfo& info, Function&& function, Use&& use) {
    return run(info, function, use, std::index_sequence_for<Args...>{});
  }

  static Napi::Value run(const Napi::CallbackInfo& info, auto&& function) {
    return run(info, function, [&](auto&&... result) -> Napi::Value {
      if constexpr (sizeof...(result) == 0)
        return info.Env().Undefined();
      else
        return to_js(info.Env(), std::move(result)...);
    });
  }

  static Signature signature(std::string (*result)()) {
    return {declaration.name(), names, [] { return std::vector<std::string>{type_text<Args>()...}; }, result};
  }
  static Signature signature() { return signature(type_text<Result>); }

 private:
  static std::vector<std::string> names() {
    std::vector<std::string> all;
    for (size_t i = 0; i < declaration.parameters; ++i) all.emplace_back(declaration.parameter(i));
    return all;
  }

  template <class Function, class Use, size_t... I>
  static Napi::Value run(const Napi::CallbackInfo& info, Function&& function, Use&& use,
                         std::index_sequence<I...>) {
    return guarded(declaration.name(), info.Env(), [&]() -> Napi::Value {
      const std::tuple<std::decay_t<Args>...> given{
          From<std::decay_t<Args>>::get(info[I], {declaration.parameter(I)})...};
      OneDevice device;
      (device.check(std::get<I>(given)), ...);
      if constexpr (std::is_void_v<Result>) {
        function(std::get<I>(given)...);
        return use();
      } else {
        return use(function(std::get<I>(given)...));
      }
    });
  }
};

template <Declaration declaration, auto function>
struct Bound;
template <Declaration declaration, class Result, class... Args, Result (*function)(Args...)>
struct Bound<declaration, function> : Call<declaration, Result, Args...> {
  static constexpr auto kFunction = function;
  static constexpr const char* kName = declaration.name();
  static Napi::Value call(const Napi::CallbackInfo& info) { return Bound::run(info, function); }
};

template <auto function, Declaration declaration>
void bind(Exports& exports) {
  using Function = Bound<declaration, function>;
  exports.object.Set(declaration.name(),
                     Napi::Function::New(exports.env, Function::call, declaration.name()));
  exports.signatures.push_back(Function::signature());
}

}  // namespace athanor::binding
