// TypeText<T>::get(): the TypeScript type of a C++ one, as test/native/binding.test.ts compares it
// with the declarations in src/native.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <tuple>
#include <type_traits>
#include <vector>

#include "binding/from_js.h"
#include "binding/to_js.h"

namespace athanor::binding {

template <class T, class = void>
struct TypeText;

template <class T>
std::string type_text() {
  return TypeText<std::remove_cvref_t<T>>::get();
}

template <>
struct TypeText<void> {
  static std::string get() { return "void"; }
};
template <>
struct TypeText<Tensor> {
  static std::string get() { return "NativeTensor"; }
};
template <>
struct TypeText<TensorHandle> : TypeText<Tensor> {};
template <>
struct TypeText<bool> {
  static std::string get() { return "boolean"; }
};
template <class T>
struct TypeText<T, std::enable_if_t<std::is_arithmetic_v<T> && !std::is_same_v<T, bool>>> {
  static std::string get() { return "number"; }
};
template <>
struct TypeText<std::string> {
  static std::string get() { return "string"; }
};
template <>
struct TypeText<Shape> {
  static std::string get() { return "number[]"; }
};
template <>
struct TypeText<ArrayBytes> {
  static std::string get() { return "Float32Array | Uint16Array | Int32Array | Uint8Array"; }
};
template <>
struct TypeText<TensorElements> : TypeText<ArrayBytes> {};
template <class T>
struct TypeText<std::span<T>> {
  static std::string get() { return ArrayKind<std::remove_const_t<T>>::kName; }
};
template <class T>
struct TypeText<PackedNumbers<T>> : TypeText<std::span<T>> {};

template <class T>
struct TypeText<T, std::enable_if_t<has_words<T>>> {
  static std::string get() {
    std::string text;
    for (const Word<T>& word : words<T>) text += (text.empty() ? "'" : " | '") + std::string(word.text) + "'";
    return text;
  }
};
template <class T>
struct TypeText<std::optional<T>> {
  static std::string get() { return type_text<T>() + " | undefined"; }
};
template <class T>
struct TypeText<std::vector<T>> {
  static std::string get() { return std::string("(").append(type_text<T>()).append(")[]"); }
};
template <class... T>
struct TypeText<std::tuple<T...>> {
  static std::string get() {
    std::string text;
    ((text += (text.empty() ? "" : ", ") + type_text<T>()), ...);
    return std::string("[").append(text).append("]");
  }
};
template <class T>
struct TypeText<T, std::enable_if_t<has_fields<T>>> {
  static std::string get() {
    std::string text = "{ ";
    std::apply([&](const auto&... field) { (add(text, field), ...); }, fields<T>);
    return text + "}";
  }

 private:
  template <class Member>
  static void add(std::string& text, const Field<T, Member>& field) {
    text += std::string(field.name.text()) + ": " + type_text<Member>() + "; ";
  }
};

}  // namespace athanor::binding
