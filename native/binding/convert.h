// bind<&ops::name>(exports, "name") makes a JavaScript function of a C++ one: each argument is unwrapped by
// its C++ type, the result is wrapped by its own, and an exception becomes an AthanorError with the code.
#pragma once

#include <napi.h>

#include <optional>
#include <string>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

#include "binding/addon.h"
#include "binding/tensor_wrap.h"
#include "core/error.h"
#include "core/operation.h"
#include "core/tensor.h"

namespace athanor::binding {

inline DType parse_dtype(const std::string& name) {
  if (name == "f32") return DType::kF32;
  if (name == "bf16") return DType::kBF16;
  if (name == "i32") return DType::kI32;
  if (name == "u8") return DType::kU8;
  fail(ErrorCode::kDtype, "dtype", "expected f32, bf16, i32 or u8 but got ", name);
}

[[noreturn]] inline void fail_type(const char* wanted, const Napi::Value& got) {
  static const char* kNames[] = {"undefined", "null",   "boolean",  "number",   "string",
                                 "symbol",    "object", "function", "external", "bigint"};
  fail(ErrorCode::kArgument, "binding", "expected ", wanted, " but got ", kNames[got.Type()]);
}

template <class T, class = void>
struct From;

template <>
struct From<Tensor> {
  static Tensor get(const Napi::Value& v) { return TensorWrap::unwrap(v); }
};
template <>
struct From<bool> {
  static bool get(const Napi::Value& v) {
    if (!v.IsBoolean()) fail_type("a boolean", v);
    return v.As<Napi::Boolean>().Value();
  }
};
template <class T>
struct From<
    T, std::enable_if_t<(std::is_integral_v<T> && !std::is_same_v<T, bool>) || std::is_floating_point_v<T>>> {
  static T get(const Napi::Value& v) {
    if (!v.IsNumber()) fail_type("a number", v);
    const double number = v.As<Napi::Number>().DoubleValue();
    if constexpr (std::is_integral_v<T>) {
      expect(number == static_cast<double>(static_cast<int64_t>(number)), ErrorCode::kArgument, "binding",
             "expected an integer but got ", number);
      return static_cast<T>(static_cast<int64_t>(number));
    }
    return static_cast<T>(number);
  }
};
template <class T>
struct From<T, std::enable_if_t<std::is_enum_v<T> && !std::is_same_v<T, DType>>> {
  static T get(const Napi::Value& v) { return static_cast<T>(From<int>::get(v)); }
};
template <>
struct From<DType> {
  static DType get(const Napi::Value& v) {
    if (!v.IsString()) fail_type("a dtype name", v);
    return parse_dtype(v.As<Napi::String>().Utf8Value());
  }
};
template <>
struct From<std::string> {
  static std::string get(const Napi::Value& v) {
    if (!v.IsString()) fail_type("a string", v);
    return v.As<Napi::String>().Utf8Value();
  }
};
template <class T>
struct From<std::optional<T>> {
  static std::optional<T> get(const Napi::Value& v) {
    if (v.IsUndefined() || v.IsNull()) return std::nullopt;
    return From<T>::get(v);
  }
};
template <class T>
struct From<std::vector<T>> {
  static std::vector<T> get(const Napi::Value& v) {
    if (!v.IsArray()) fail_type("an array", v);
    const Napi::Array array = v.As<Napi::Array>();
    std::vector<T> out;
    out.reserve(array.Length());
    for (uint32_t i = 0; i < array.Length(); ++i) out.push_back(From<T>::get(array.Get(i)));
    return out;
  }
};
template <>
struct From<Shape> {
  static Shape get(const Napi::Value& v) {
    Shape shape;
    for (int64_t dim : From<std::vector<int64_t>>::get(v)) shape.push_back(dim);
    return shape;
  }
};

inline Napi::Value to_js(Napi::Env env, const Tensor& t) { return TensorWrap::wrap(env, t); }
inline Napi::Value to_js(Napi::Env env, const std::string& s) { return Napi::String::New(env, s); }
inline Napi::Value to_js(Napi::Env env, bool b) { return Napi::Boolean::New(env, b); }
template <class T>
std::enable_if_t<std::is_arithmetic_v<T> && !std::is_same_v<T, bool>, Napi::Value> to_js(Napi::Env env, T n) {
  return Napi::Number::New(env, static_cast<double>(n));
}
template <class T>
Napi::Value to_js(Napi::Env env, const std::optional<T>& value) {
  return value ? to_js(env, *value) : env.Undefined();
}
template <class... T>
Napi::Value to_js(Napi::Env env, const std::tuple<T...>& values);
template <class T>
Napi::Value to_js(Napi::Env env, const std::vector<T>& values) {
  Napi::Array array = Napi::Array::New(env, values.size());
  for (size_t i = 0; i < values.size(); ++i) array.Set(static_cast<uint32_t>(i), to_js(env, values[i]));
  return array;
}
template <class... T>
Napi::Value to_js(Napi::Env env, const std::tuple<T...>& values) {
  Napi::Array array = Napi::Array::New(env, sizeof...(T));
  uint32_t i = 0;
  std::apply([&](const auto&... value) { (array.Set(i++, to_js(env, value)), ...); }, values);
  return array;
}

/// Runs body and rethrows a C++ exception as an AthanorError.
template <class Body>
Napi::Value guarded(Napi::Env env, Body&& body) {
  try {
    return body();
  } catch (const Error& error) {
    throw_athanor_error(env, error_code_name(error.code()), error.what());
  } catch (const std::bad_alloc&) {
    throw_athanor_error(env, "ERR_OUT_OF_MEMORY",
                        "[allocate] the system has no memory left for the engine's own tables");
  } catch (const Napi::Error&) {
    throw;
  } catch (const std::exception& error) {
    throw_athanor_error(env, "ERR_INTERNAL", error.what());
  }
}

// An operation's tensors are all on one device: nothing below asks again.
template <class T>
void check_device(const char*, std::optional<Device>&, const T&) {}
inline void check_device(const char* operation, std::optional<Device>& first, const Tensor& tensor) {
  if (!first) first = tensor.device();
  expect(*first == tensor.device(), ErrorCode::kDevice, operation,
         "got tensors on the CPU and on the GPU; make model and inputs with one --device");
}
template <class T>
void check_device(const char* operation, std::optional<Device>& first, const std::optional<T>& value) {
  if (value) check_device(operation, first, *value);
}
template <class T>
void check_device(const char* operation, std::optional<Device>& first, const std::vector<T>& values) {
  for (const T& value : values) check_device(operation, first, value);
}

template <auto function>
struct Bound;
template <class Result, class... Args, Result (*function)(Args...)>
struct Bound<function> {
  static Napi::Value call(const Napi::CallbackInfo& info) {
    return invoke(info, std::index_sequence_for<Args...>{});
  }

 private:
  template <size_t... I>
  static Napi::Value invoke(const Napi::CallbackInfo& info, std::index_sequence<I...>) {
    const Napi::Env env = info.Env();
    const OperationScope scope(static_cast<const char*>(info.Data()));
    return guarded(env, [&]() -> Napi::Value {
      const std::tuple<std::decay_t<Args>...> given{From<std::decay_t<Args>>::get(info[I])...};
      std::optional<Device> device;
      (check_device(current_operation(), device, std::get<I>(given)), ...);
      if constexpr (std::is_void_v<Result>) {
        function(std::get<I>(given)...);
        return env.Undefined();
      } else {
        return to_js(env, function(std::get<I>(given)...));
      }
    });
  }
};

/// `name` must be a literal: errors and profiler ranges of the operation go by it.
template <auto function>
void bind(Napi::Object exports, const char* name) {
  exports.Set(name, Napi::Function::New(exports.Env(), Bound<function>::call, name, const_cast<char*>(name)));
}

}  // namespace athanor::binding
