// to_js(env, value): a JavaScript value of a C++ one.
#pragma once

#include <napi.h>

#include <algorithm>
#include <cstdint>
#include <optional>
#include <string>
#include <tuple>
#include <type_traits>
#include <vector>

#include "binding/describe.h"
#include "binding/tensor_wrap.h"
#include "core/error.h"
#include "core/tensor.h"

namespace athanor::binding {

/// Numbers that JavaScript gets as a typed array.
template <class T>
struct PackedNumbers {
  std::vector<T> values;
};
/// A copy of a tensor's elements as a typed array; bf16 comes as its raw 16 bits.
struct TensorElements {
  Tensor tensor;
};

inline Napi::Value to_js(Napi::Env env, const Tensor& t) { return TensorWrap::wrap(env, t); }
inline Napi::Value to_js(Napi::Env env, const std::string& s) { return Napi::String::New(env, s); }
inline Napi::Value to_js(Napi::Env, Napi::Promise promise) { return promise; }
inline Napi::Value to_js(Napi::Env env, bool b) { return Napi::Boolean::New(env, b); }
template <class T>
std::enable_if_t<std::is_arithmetic_v<T> && !std::is_same_v<T, bool>, Napi::Value> to_js(Napi::Env env, T n) {
  return Napi::Number::New(env, static_cast<double>(n));
}
template <class T>
std::enable_if_t<std::is_enum_v<T>, Napi::Value> to_js(Napi::Env env, T value) {
  static_assert(has_words<T>, "ATHANOR_WORDS has to describe an enum that crosses the border");
  for (const Word<T>& word : words<T>)
    if (word.value == value) return Napi::String::New(env, word.text);
  fail(ErrorCode::kInternal, "an enum has a value without a word");
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
  for (size_t i = 0; i < values.size(); ++i) {
    const Napi::HandleScope scope(env);
    array.Set(static_cast<uint32_t>(i), to_js(env, values[i]));
  }
  return array;
}
template <class... T>
Napi::Value to_js(Napi::Env env, const std::tuple<T...>& values) {
  Napi::Array array = Napi::Array::New(env, sizeof...(T));
  uint32_t i = 0;
  std::apply([&](const auto&... value) { (array.Set(i++, to_js(env, value)), ...); }, values);
  return array;
}
template <class T>
Napi::Value to_js(Napi::Env env, const PackedNumbers<T>& numbers) {
  auto array = Napi::TypedArrayOf<T>::New(env, numbers.values.size());
  std::copy(numbers.values.begin(), numbers.values.end(), array.Data());
  return array;
}
inline Napi::Value to_js(Napi::Env env, const TensorElements& elements) {
  const Tensor& t = elements.tensor;
  Napi::ArrayBuffer buffer = Napi::ArrayBuffer::New(env, t.bytes());
  device_read(t.device(), buffer.Data(), t.raw(), t.bytes());
  const size_t n = static_cast<size_t>(t.numel());
  switch (t.dtype()) {
    case DType::kF32: return Napi::Float32Array::New(env, n, buffer, 0);
    case DType::kBF16: return Napi::Uint16Array::New(env, n, buffer, 0);
    case DType::kI32: return Napi::Int32Array::New(env, n, buffer, 0);
    case DType::kU8: return Napi::Uint8Array::New(env, n, buffer, 0);
  }
  fail(ErrorCode::kInternal, "unknown dtype");
}

}  // namespace athanor::binding
