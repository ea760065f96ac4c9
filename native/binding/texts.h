// Texts come as strings (taken as UTF-8, a lone surrogate becoming U+FFFD) or as Uint8Array, read
// in place while the call runs and copied where the work goes to another thread.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <vector>

#include "binding/convert.h"

namespace athanor::binding {

/// An array of strings and byte arrays. It owns the UTF-8 of the strings, and copies of the byte
/// arrays too where `copy` is true.
template <bool copy>
class Texts {
 public:
  explicit Texts(const Napi::Array& array, const Place& place) {
    owned_.reserve(array.Length());
    views_.reserve(array.Length());
    for (uint32_t i = 0; i < array.Length(); ++i) {
      Napi::HandleScope scope(array.Env());
      const Napi::Value text = array[i];
      if (text.IsString()) {
        keep(text.As<Napi::String>().Utf8Value());
      } else {
        const auto bytes = From<std::span<const uint8_t>>::get(text, {place.name, i});
        if (copy)
          keep(std::string(bytes.begin(), bytes.end()));
        else
          views_.push_back(bytes);
      }
    }
  }
  Texts(Texts&&) = default;
  const std::vector<std::span<const uint8_t>>& views() const { return views_; }

 private:
  void keep(std::string text) {
    owned_.push_back(std::move(text));
    views_.push_back({reinterpret_cast<const uint8_t*>(owned_.back().data()), owned_.back().size()});
  }

  std::vector<std::string> owned_;
  std::vector<std::span<const uint8_t>> views_;
};

/// Views that live as long as the call, and copies for another thread.
using TextViews = Texts<false>;
using TextCopies = std::shared_ptr<Texts<true>>;

template <>
struct From<TextViews> {
  static TextViews get(const Napi::Value& v, const Place& place) {
    if (!v.IsArray()) fail_type(place, "an array of texts", v);
    return TextViews(v.As<Napi::Array>(), place);
  }
};
template <>
struct From<TextCopies> {
  static TextCopies get(const Napi::Value& v, const Place& place) {
    if (!v.IsArray()) fail_type(place, "an array of texts", v);
    return std::make_shared<Texts<true>>(v.As<Napi::Array>(), place);
  }
};
template <>
struct TypeText<TextViews> {
  static std::string get() { return "(string | Uint8Array)[]"; }
};
template <>
struct TypeText<TextCopies> : TypeText<TextViews> {};

}  // namespace athanor::binding
