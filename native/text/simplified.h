// Characters as datatrove simplifies them, and the affixes of English words in spaCy; built on
// first use from the generated tables.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <vector>

namespace athanor::text {

enum CharacterFlag : uint8_t {
  kSeparator = 1,       // punctuation that becomes a space, white space, control characters
  kDropped = 2,         // Mn
  kDigit = 4,           // Nd
  kDecimal = 8,         // stands between the digits of one number
  kPrefixMark = 16,     // is a word of its own before others
  kSuffixMark = 32,     // the same behind others
  kIconMark = 64,       // the same in the middle
  kCurrencyMark = 128,  // the same behind a digit
};
inline constexpr uint8_t kMarks = kPrefixMark | kSuffixMark | kIconMark | kCurrencyMark;

struct Simplified {
  /// By character: what it becomes in lower case and without diacritics. kSeveral: see `several`.
  std::vector<uint32_t> mapped;
  std::vector<uint8_t> flags;
  std::unordered_map<uint32_t, std::vector<uint32_t>> several;
  std::unordered_set<std::u32string> units;
  size_t longest_unit = 0;
  /// A word that is divided, and its pieces with spaces between them.
  std::unordered_map<std::string_view, std::string_view> divided;
  /// A bit per first two letters and length of such a word, so that most words need no lookup.
  std::vector<bool> may_divide;

  static constexpr uint32_t kSeveral = ~uint32_t{0};
  static size_t divided_key(const char* word, size_t size) {
    return (size & 15) << 16 | static_cast<size_t>(static_cast<uint8_t>(word[0])) << 8 |
           static_cast<uint8_t>(word[1]);
  }
  /// The pieces of a word that is divided, else nothing.
  std::string_view pieces(std::string_view word) const {
    if (word.size() < 2 || word.size() > 15 || !may_divide[divided_key(word.data(), word.size())]) return {};
    const auto found = divided.find(word);
    return found == divided.end() ? std::string_view{} : found->second;
  }
};

const Simplified& simplified();

void append_utf8(std::vector<char>& out, uint32_t point);
std::u32string decode_utf8(std::string_view text);

}  // namespace athanor::text
