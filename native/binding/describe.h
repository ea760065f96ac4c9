// How types of the engine cross the border: an enum as one of its words, a struct of arguments as
// an object. Each is described once, in the binding file of its family, and then read, printed and
// compared with the TypeScript declarations by templates.
//
//   ATHANOR_WORDS(Activation, {"none", Activation::kNone}, {"gelu", Activation::kGelu})
//   ATHANOR_FIELDS(ops::SampleInputs, logits, temperature, top_k)  // { logits, temperature, topK }
#pragma once

#include <array>
#include <cstddef>
#include <optional>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <utility>

namespace athanor::binding {

template <class Enum>
struct Word {
  const char* text;
  Enum value;
};

/// The words of an enum; ATHANOR_WORDS defines them.
template <class Enum>
inline constexpr std::nullptr_t words = nullptr;

/// A C++ name as JavaScript writes it: top_k is topK.
class CamelName {
 public:
  consteval CamelName(std::string_view name) {
    size_t length = 0;
    bool is_upper = false;
    for (const char c : name) {
      if (c != '_') text_[length++] = is_upper ? static_cast<char>(c - 'a' + 'A') : c;
      is_upper = c == '_';
    }
  }
  constexpr const char* text() const { return text_.data(); }

 private:
  std::array<char, 32> text_{};
};

template <class Struct, class T>
struct Field {
  CamelName name;
  T Struct::* member;
};
template <class Struct, class T>
consteval Field<Struct, T> field(std::string_view name, T Struct::* member) {
  return {name, member};
}

/// The fields of an argument struct, as a tuple of Field; ATHANOR_FIELDS defines them.
template <class Struct>
inline constexpr std::nullptr_t fields = nullptr;

template <class T>
inline constexpr bool has_words = !std::is_same_v<decltype(words<T>), const std::nullptr_t>;
template <class T>
inline constexpr bool has_fields = !std::is_same_v<decltype(fields<T>), const std::nullptr_t>;

/// Converts to any type but an optional, which is made from what it holds.
template <size_t>
struct Anything {
  template <class T>
  operator T() const;
  template <class T>
  operator std::optional<T>() const = delete;
};
template <class Struct, size_t... I>
consteval bool takes(std::index_sequence<I...>) {
  return requires { Struct{Anything<I>{}...}; };
}
/// Whether a struct has exactly `count` members: one more would not find a place.
template <class Struct, size_t count>
inline constexpr bool has_members =
    takes<Struct>(std::make_index_sequence<count>{}) && !takes<Struct>(std::make_index_sequence<count + 1>{});

}  // namespace athanor::binding

#define ATHANOR_WORDS(Enum, ...)                        \
  template <>                                           \
  inline constexpr auto athanor::binding::words<Enum> = \
      std::to_array<athanor::binding::Word<Enum>>({__VA_ARGS__});

// ATHANOR_EACH(m, S, a, b) is m(S, a), m(S, b): each round of ATHANOR_EXPAND takes one more name
// off the list.
#define ATHANOR_EXPAND(...) ATHANOR_EXPAND_9(ATHANOR_EXPAND_9(ATHANOR_EXPAND_9(__VA_ARGS__)))
#define ATHANOR_EXPAND_9(...) ATHANOR_EXPAND_3(ATHANOR_EXPAND_3(ATHANOR_EXPAND_3(__VA_ARGS__)))
#define ATHANOR_EXPAND_3(...) ATHANOR_EXPAND_1(ATHANOR_EXPAND_1(ATHANOR_EXPAND_1(__VA_ARGS__)))
#define ATHANOR_EXPAND_1(...) __VA_ARGS__
#define ATHANOR_PARENTHESES ()
#define ATHANOR_AGAIN() ATHANOR_EACH_STEP
#define ATHANOR_EACH_STEP(Macro, Struct, name, ...) \
  Macro(Struct, name) __VA_OPT__(, ATHANOR_AGAIN ATHANOR_PARENTHESES(Macro, Struct, __VA_ARGS__))
#define ATHANOR_EACH(Macro, Struct, ...) ATHANOR_EXPAND(ATHANOR_EACH_STEP(Macro, Struct, __VA_ARGS__))

#define ATHANOR_FIELD(Struct, name) athanor::binding::field(#name, &Struct::name)
#define ATHANOR_FIELDS(Struct, ...)                                                                    \
  template <>                                                                                          \
  inline constexpr auto athanor::binding::fields<Struct> =                                             \
      std::tuple{ATHANOR_EACH(ATHANOR_FIELD, Struct, __VA_ARGS__)};                                    \
  static_assert(                                                                                       \
      athanor::binding::has_members<                                                                   \
          Struct, std::tuple_size_v<std::remove_cvref_t<decltype(athanor::binding::fields<Struct>)>>>, \
      "ATHANOR_FIELDS has to list every member of " #Struct);
