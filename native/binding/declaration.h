// The declaration of a bound function as a template argument: "gemm(a, b, outDtype)". Messages name
// the arguments by it.
#pragma once

#include <cstddef>

namespace athanor::binding {

/// More arguments are the fields of one struct.
constexpr size_t kMostArguments = 6;

/// `size` is that of the text with its end.
template <size_t size>
struct Declaration {
  consteval Declaration(const char (&text)[size]) {
    size_t length = 0;
    for (size_t i = 0; text[i] != ')'; ++i) {
      if (text[i] == ' ') continue;
      const bool is_name = text[i] != '(' && text[i] != ',';
      chars[length++] = is_name ? text[i] : '\0';
      if (!is_name && text[i + 1] != ')') begins[parameters++] = length;
      if (text[i] == '.') method = length;
    }
  }

  /// In errors: with the class of a method.
  constexpr const char* name() const { return chars; }
  /// The property of the exports or of the class.
  constexpr const char* property() const { return chars + method; }
  constexpr const char* parameter(size_t index) const { return chars + begins[index]; }

  char chars[size]{};
  size_t begins[kMostArguments]{};
  size_t parameters = 0;
  size_t method = 0;
};

}  // namespace athanor::binding
