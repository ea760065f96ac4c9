// From<T>::get(value, place): a C++ value out of a JavaScript one, or ERR_ARGUMENT that
// names the place.
#pragma once

#include <napi.h>

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include "binding/describe.h"
#include "binding/place.h"
#include "binding/tensor_wrap.h"
#include "core/error.h"
#include "core/tensor.h"

ATHANOR_WORDS(athanor::DType, {"f32", athanor::DType::kF32}, {"bf16", athanor::DType::kBF16},
              {"i32", athanor::DType::kI32}, {"u8", athanor::DType::kU8})

namespace athanor::binding {

template <class T, class = void>
struct From;

template <>
struct From<Tensor> {
  static const Tensor& get(const Napi::Value& v, const Place& place) { return TensorWrap::unwrap(v, place); }
};

/// A tensor's handle itself, for functions that ask about the object and not about what it holds.
struct TensorHandle {
  Napi::Value value;
};
template <>
struct From<TensorHandle> {
  static TensorHandle get(const Napi::Value& v, const Place& place) {
    TensorWrap::unwrap(v, place);
    return {v};
  }
};

template <>
struct From<bool> {
  static bool get(const Napi::Value& v, const Place& place) {
    if (!v.IsBoolean()) fail_type(place, "a boolean", v);
    return v.As<Napi::Boolean>().Value();
  }
};

template <class T>
struct From<T, std::enable_if_t<std::is_arithmetic_v<T> && !std::is_same_v<T, bool>>> {
  static T get(const Napi::Value& v, const Place& place) {
    if (!v.IsNumber()) fail_type(place, "a number", v);
    const double number = v.As<Napi::Number>().DoubleValue();
    if constexpr (std::is_integral_v<T>) {
      expect(number == static_cast<double>(static_cast<int64_t>(number)), ErrorCode::kArgument, "expected ",
             place, " to be an integer but got ", number);
      return static_cast<T>(static_cast<int64_t>(number));
    }
    return static_cast<T>(number);
  }
};

/// 'f32', 'bf16' or 'i32'
template <class Enum>
std::string word_list() {
  std::string list;
  for (size_t i = 0; i < words<Enum>.size(); ++i) {
    if (i > 0) list += i + 1 == words<Enum>.size() ? " or " : ", ";
    list += std::string("'") + words<Enum>[i].text + "'";
  }
  return list;
}

template <class T>
struct From<T, std::enable_if_t<std::is_enum_v<T>>> {
  static_assert(has_words<T>, "ATHANOR_WORDS has to describe an enum that crosses the border");
  static T get(const Napi::Value& v, const Place& place) {
    if (!v.IsString()) fail_type(place, word_list<T>().c_str(), v);
    char text[32];  // a longer one is cut, and then is no word either
    size_t length = 0;
    napi_get_value_string_utf8(v.Env(), v, text, sizeof text, &length);
    for (const Word<T>& word : words<T>)
      if (std::string_view(text, length) == word.text) return word.value;
    fail(std::is_same_v<T, DType> ? ErrorCode::kDtype : ErrorCode::kArgument, "expected ", place, " to be ",
         word_list<T>(), " but got '", v.As<Napi::String>().Utf8Value(), "'");
  }
};

template <>
struct From<std::string> {
  static std::string get(const Napi::Value& v, const Place& place) {
    if (!v.IsString()) fail_type(place, "a string", v);
    return v.As<Napi::String>().Utf8Value();
  }
};

template <class T>
struct From<std::optional<T>> {
  static std::optional<T> get(const Napi::Value& v, const Place& place) {
    if (v.IsUndefined() || v.IsNull()) return std::nullopt;
    return From<T>::get(v, place);
  }
};

template <class T>
struct From<std::vector<T>> {
  static std::vector<T> get(const Napi::Value& v, const Place& place) {
    if (!v.IsArray()) fail_type(place, "an array", v);
    const Napi::Array array = v.As<Napi::Array>();
    const uint32_t length = array.Length();
    std::vector<T> out;
    out.reserve(length);
    for (uint32_t i = 0; i < length; ++i) out.push_back(From<T>::get(array.Get(i), {place.name, i}));
    return out;
  }
};

template <>
struct From<Shape> {
  static Shape get(const Napi::Value& v, const Place& place) {
    Shape shape;
    for (int64_t dim : From<std::vector<int64_t>>::get(v, place)) shape.push_back(dim);
    return shape;
  }
};

template <class T>
struct From<T, std::enable_if_t<has_fields<T>>> {
  static T get(const Napi::Value& v, const Place& place) {
    if (!v.IsObject()) fail_type(place, "an object", v);
    const Napi::Object object = v.As<Napi::Object>();
    T out;
    std::apply([&](const auto&... field) { (read(object, field, out), ...); }, fields<T>);
    return out;
  }

 private:
  template <class Member>
  static void read(const Napi::Object& object, const Field<T, Member>& field, T& out) {
    const char* name = field.name.text();
    out.*field.member = From<Member>::get(object.Get(name), {name});
  }
};

/// The bytes of any typed array, for as long as the call runs.
struct ArrayBytes {
  const std::byte* data;
  size_t size;
};
template <>
struct From<ArrayBytes> {
  static ArrayBytes get(const Napi::Value& v, const Place& place) {
    if (!v.IsTypedArray()) fail_type(place, "a typed array", v);
    const Napi::TypedArray array = v.As<Napi::TypedArray>();
    return {static_cast<const std::byte*>(array.ArrayBuffer().Data()) + array.ByteOffset(),
            array.ByteLength()};
  }
};

/// The typed array whose elements are T.
template <class T>
struct ArrayKind;
template <>
struct ArrayKind<uint8_t> {
  static constexpr napi_typedarray_type kType = napi_uint8_array;
  static constexpr const char *kName = "Uint8Array", *kWanted = "a Uint8Array";
};
template <>
struct ArrayKind<int32_t> {
  static constexpr napi_typedarray_type kType = napi_int32_array;
  static constexpr const char *kName = "Int32Array", *kWanted = "an Int32Array";
};
template <>
struct ArrayKind<uint32_t> {
  static constexpr napi_typedarray_type kType = napi_uint32_array;
  static constexpr const char *kName = "Uint32Array", *kWanted = "a Uint32Array";
};
template <>
struct ArrayKind<float> {
  static constexpr napi_typedarray_type kType = napi_float32_array;
  static constexpr const char *kName = "Float32Array", *kWanted = "a Float32Array";
};
template <>
struct ArrayKind<double> {
  static constexpr napi_typedarray_type kType = napi_float64_array;
  static constexpr const char *kName = "Float64Array", *kWanted = "a Float64Array";
};
template <>
struct ArrayKind<uint64_t> {
  static constexpr napi_typedarray_type kType = napi_biguint64_array;
  static constexpr const char *kName = "BigUint64Array", *kWanted = "a BigUint64Array";
};

/// The elements of a typed array of exactly this kind, for as long as the call runs.
template <class T>
struct From<std::span<T>> {
  using Kind = ArrayKind<std::remove_const_t<T>>;
  static std::span<T> get(const Napi::Value& v, const Place& place) {
    if (!v.IsTypedArray() || v.As<Napi::TypedArray>().TypedArrayType() != Kind::kType)
      fail_type(place, Kind::kWanted, v);
    auto array = v.As<Napi::TypedArrayOf<std::remove_const_t<T>>>();
    return {array.Data(), array.ElementLength()};
  }
};

}  // namespace athanor::binding
