// A set of characters as sorted ranges. A byte that is not part of valid UTF-8 is a character of
// its own, kInvalidByte, behind the last code point.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

namespace athanor::text {

inline constexpr uint32_t kInvalidByte = 0x110000;

class CharSet {
 public:
  struct Range {
    uint32_t first;
    uint32_t last;
    bool operator==(const Range&) const = default;
  };

  CharSet() = default;
  explicit CharSet(uint32_t point) : ranges_{{point, point}} {}
  static CharSet all() { return of({{0, kInvalidByte}}); }
  static CharSet of(std::vector<Range> ranges);

  bool contains(uint32_t point) const;
  bool empty() const { return ranges_.empty(); }
  const std::vector<Range>& ranges() const { return ranges_; }
  bool operator==(const CharSet&) const = default;

  CharSet operator|(const CharSet& other) const;
  CharSet operator&(const CharSet& other) const { return ~(~*this | ~other); }
  CharSet operator~() const;

 private:
  std::vector<Range> ranges_;  // sorted, apart from each other
};

/// Characters as the tokenizers library of Hugging Face has them.
enum class CharKind {
  kWord,         // \w of Oniguruma
  kSpace,        // White_Space
  kDigit,        // \d of Oniguruma: Nd
  kNumeric,      // N*, which the pre-tokenizer Digits takes
  kPunctuation,  // what the pre-tokenizer Punctuation takes
  kRegexWord,    // \w of the crate regex: beside added tokens and in the pre-tokenizer Whitespace
  kMark,         // what StripAccents drops
};
const CharSet& char_kind(CharKind kind);

/// The set of \p{name}: a general category, a group of them or a script. Spaces, underscores,
/// hyphens and case do not count.
std::optional<CharSet> char_property(std::string_view name);

/// The set of [:name:], without the brackets.
std::optional<CharSet> posix_bracket(std::string_view name);

}  // namespace athanor::text
