// Regular expressions in time linear in the text. A pattern becomes a deterministic automaton over
// classes of characters when it is made. Of several matches at one place it finds the one that
// Oniguruma's backtracking finds first: a state is a list of places in the pattern, best first, and
// a place behind a match is dropped. What a place says of the next character is decided with that
// character, so a match is known one character late.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string_view>
#include <unordered_set>
#include <vector>

#include "text/regex_syntax.h"
#include "text/unicode.h"

namespace athanor::text {

class Regex {
 public:
  /// Throws ERR_FORMAT for a pattern of too many states.
  explicit Regex(const RegexNode& pattern);

  /// Whether no match spans the place between one of the characters `before` and `after`, and none
  /// changes when the text ends or begins there.
  bool is_apart(std::string_view before, uint8_t after) const { return cut(before, after, false); }
  /// Whether a match ends between them as well, wherever it began.
  bool ends_between(std::string_view before, uint8_t after) const { return cut(before, after, true); }

  size_t states() const { return next_.size() / stride_; }

 private:
  friend class RegexSearch;

  // next_[state + class] is the offset of the next state << 1 | whether a match ends before the
  // character. State 0 has nothing more to find.
  uint32_t step(uint32_t state, uint32_t char_class) const { return next_[state + char_class]; }
  bool cut(std::string_view before, uint8_t after, bool match) const;
  uint32_t class_of(uint32_t point) const {
    return blocks_[static_cast<size_t>(pages_[point >> 8]) << 8 | (point & 0xFF)];
  }

  friend class RegexBuilder;
  std::vector<uint32_t> next_;
  uint32_t stride_ = 1;
  uint32_t end_class_ = 0;       // of the end of the text
  std::vector<uint16_t> pages_;  // [0x1101]
  std::vector<uint8_t> blocks_;  // 256 classes each; the first one is Latin-1
  bool looks_back_ = false;
  std::vector<uint32_t> starts_;  // the first state, by the class of the character before; the
                                  // last is that of the beginning of the text
};

/// Throws ERR_FORMAT with the pattern and what is not supported in it.
Regex compile_regex(std::string_view pattern);

/// The matches in one text, in order. Work that a match did without an effect is remembered, so
/// that the sum of all matches is linear too.
class RegexSearch {
 public:
  RegexSearch(const Regex& regex, const uint8_t* begin, const uint8_t* end)
      : regex_(regex), begin_(begin), end_(end), next_(begin) {}

  /// Finds the next match; false at the end. An empty one does not stand right behind another.
  bool find(const uint8_t** from, const uint8_t** to);

 private:
  const uint8_t* match_at(const uint8_t* start);
  uint32_t class_at(const uint8_t* at, int* bytes) const;
  uint32_t start_state(const uint8_t* at) const;
  bool is_known(uint32_t state, const uint8_t* at);

  const Regex& regex_;
  const uint8_t* begin_;
  const uint8_t* end_;
  const uint8_t* next_;
  const uint8_t* last_end_ = nullptr;
  std::unordered_set<uint64_t> fruitless_;  // states at places from which no match ends
  std::vector<uint64_t> pending_;
};

}  // namespace athanor::text
