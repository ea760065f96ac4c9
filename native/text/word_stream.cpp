#include "text/word_stream.h"

#include <array>
#include <string>

#include "core/error.h"
#include "text/simplified.h"
#include "text/unicode.h"

namespace athanor::text {
namespace {

constexpr uint32_t kCapitalSigma = 0x3A3;
constexpr uint32_t kFinalSigma = 0x3C2;
constexpr uint32_t kSigma = 0x3C3;
constexpr uint32_t kFirstHangul = 0xAC00;
constexpr uint32_t kHangulCount = 11172;

/// What a byte of ASCII becomes: its lower case, 0 for a separator, or kAsciiDigit.
constexpr char kAsciiDigit = '0';
constexpr std::array<char, 128> kAscii = [] {
  std::array<char, 128> table{};
  for (char c = 'a'; c <= 'z'; ++c) table[static_cast<size_t>(c)] = table[static_cast<size_t>(c) - 32] = c;
  for (char c = '0'; c <= '9'; ++c) table[static_cast<size_t>(c)] = kAsciiDigit;
  return table;
}();

struct Point {
  uint32_t value;
  int bytes;
};

Point point_at(const uint8_t* at, const uint8_t* end) {
  if (*at < 0x80) return {*at, 1};
  uint32_t point = 0;
  const int bytes = utf8_sequence(at, end, &point);
  return bytes == 0 ? Point{0xFFFD, 1} : Point{point, bytes};
}

bool is_cased(uint32_t point) { return (unicode_classes()[point] & (kUpper | kLower)) != 0; }

/// What stands inside of a word without being part of its case, of all that Unicode lists the
/// usual.
bool is_case_ignorable(uint32_t point) {
  return (simplified().flags[point] & kDropped) != 0 ||
         std::u32string_view(U"'.:^`\u00AD\u00B7\u2018\u2019\u2024\u2027\u200B\u200C\u200D").find(point) !=
             std::u32string_view::npos;
}

/// Whether the capital sigma from `at` to `behind` ends a word, where its lower case is another
/// one.
bool is_final_sigma(const uint8_t* begin, const uint8_t* at, const uint8_t* behind, const uint8_t* end) {
  uint32_t before = 0;
  do {
    if (at == begin) return false;
    do --at;
    while (at > begin && (*at & 0xC0) == 0x80);
    before = point_at(at, end).value;
  } while (is_case_ignorable(before));
  if (!is_cased(before)) return false;
  while (behind < end) {
    const Point next = point_at(behind, end);
    if (!is_case_ignorable(next.value)) return !is_cased(next.value);
    behind += next.bytes;
  }
  return true;
}

/// Whether a mark at i > 0 divides the word. Of the marks between two letters only these are left
/// by the simplification: it makes them of U+2260, U+226E and U+226F.
bool is_infix(std::u32string_view word, size_t i) {
  const auto has = [&](size_t at, uint8_t classes) { return (unicode_classes()[word[at]] & classes) != 0; };
  const bool relation = word[i] == '=' || word[i] == '<' || word[i] == '>';
  const uint8_t letters = kLetter | kMark;
  if (relation)
    return i + 1 < word.size() && (has(i - 1, letters) || word[i - 1] == '0') && has(i + 1, letters);
  return (simplified().flags[word[i]] & kIconMark) != 0;
}

/// Words and marks at the ends of a chunk, taken off as spaCy's tokenizer does.
class Affixes {
 public:
  explicit Affixes(std::u32string_view chunk) : table_(simplified()), middle_(chunk) { strip(); }

  std::u32string_view middle() const { return middle_; }
  const std::vector<std::u32string_view>& prefixes() const { return prefixes_; }
  /// The last one first.
  const std::vector<std::u32string_view>& suffixes() const { return suffixes_; }

  static std::string utf8(std::u32string_view points) {
    std::vector<char> bytes;
    for (const char32_t point : points) append_utf8(bytes, point);
    return {bytes.begin(), bytes.end()};
  }

 private:
  bool is_divided(std::u32string_view word) const {
    return word.size() <= 15 && !table_.pieces(utf8(word)).empty();
  }

  size_t prefix_of(std::u32string_view word) const {
    return (table_.flags[word.front()] & kPrefixMark) ? 1 : 0;
  }

  /// Of a word whose prefix is gone.
  size_t suffix_of(std::u32string_view word) const {
    if (word.empty()) return 0;
    if (table_.flags[word.back()] & kSuffixMark) return 1;
    for (size_t size = std::min(table_.longest_unit, word.size() - 1); size > 0; --size) {
      if (word[word.size() - size - 1] != '0') continue;
      if (size == 1 && (table_.flags[word.back()] & kCurrencyMark)) return 1;
      if (table_.units.contains(std::u32string(word.substr(word.size() - size)))) return size;
    }
    return 0;
  }

  void strip() {
    while (!middle_.empty() && !is_divided(middle_)) {
      const size_t prefix = prefix_of(middle_);
      const std::u32string_view behind = middle_.substr(prefix);
      if (prefix > 0 && is_divided(behind)) return take(prefix, 0);
      const size_t suffix = suffix_of(behind);
      if (suffix > 0 && is_divided(middle_.substr(0, middle_.size() - suffix))) return take(0, suffix);
      if (prefix + suffix == 0) return;
      take(prefix, prefix + suffix <= middle_.size() ? suffix : 0);
    }
  }

  void take(size_t prefix, size_t suffix) {
    if (prefix > 0) prefixes_.push_back(middle_.substr(0, prefix));
    if (suffix > 0) suffixes_.push_back(middle_.substr(middle_.size() - suffix));
    middle_ = middle_.substr(prefix, middle_.size() - prefix - suffix);
  }

  const Simplified& table_;
  std::u32string_view middle_;
  std::vector<std::u32string_view> prefixes_;
  std::vector<std::u32string_view> suffixes_;
};

}  // namespace

void Words::assign(std::span<const uint8_t> text, std::vector<WordSource>* sources) {
  expect(text.size() <= kMostBytes, ErrorCode::kArgument, "expected a text of at most ", kMostBytes,
         " bytes but got ", text.size());
  text_.clear();
  text_.reserve(text.size() + 1);
  starts_.assign(1, 0);
  const Simplified& table = simplified();
  const uint8_t* at = text.data();
  const uint8_t* end = at + text.size();
  Chunk chunk;
  if (sources != nullptr) sources->clear();
  const uint8_t* source = at;
  const auto separate = [&](size_t bytes) {
    end_chunk(chunk);
    if (sources != nullptr)
      sources->resize(count(),
                      {static_cast<uint32_t>(source - text.data()), static_cast<uint32_t>(at - text.data())});
    at += bytes;
    source = at;
  };
  while (at < end) {
    if (*at < 0x80) {
      const char c = kAscii[*at];
      if (c >= 'a') {
        text_.push_back(c);
        ++at;
      } else if (c == kAsciiDigit) {
        at = skip_number(at, end);
        text_.push_back(c);
        chunk.special = true;
      } else {
        separate(1);
      }
      continue;
    }
    const Point point = point_at(at, end);
    const uint8_t flags = table.flags[point.value];
    if (flags & kDigit) {
      at = skip_number(at, end);
      text_.push_back(kAsciiDigit);
      chunk.special = true;
      continue;
    }
    if (flags & kSeparator) {
      separate(static_cast<size_t>(point.bytes));
      continue;
    }
    at += point.bytes;
    if (point.value == kCapitalSigma) {
      const bool is_final = is_final_sigma(text.data(), at - point.bytes, at, end);
      put(is_final ? kFinalSigma : kSigma, chunk);
    } else if ((flags & kDropped) == 0) {
      put_simplified(point.value, chunk);
    }
  }
  separate(0);
}

/// The end of a number: digits, and once a decimal mark with digits behind it.
const uint8_t* Words::skip_number(const uint8_t* at, const uint8_t* end) const {
  const auto& flags = simplified().flags;
  const auto digits = [&](const uint8_t* from) {
    while (from < end) {
      const Point point = point_at(from, end);
      if ((flags[point.value] & kDigit) == 0) break;
      from += point.bytes;
    }
    return from;
  };
  at = digits(at);
  if (at == end) return at;
  const Point mark = point_at(at, end);
  if ((flags[mark.value] & kDecimal) == 0) return at;
  const uint8_t* behind = digits(at + mark.bytes);
  return behind == at + mark.bytes ? at : behind;
}

void Words::put(uint32_t point, Chunk& chunk) {
  append_utf8(text_, point);
  if (point >= 0x80) chunk.ascii = false;
  if (simplified().flags[point] & kMarks) chunk.special = true;
}

void Words::put_simplified(uint32_t point, Chunk& chunk) {
  if (point - kFirstHangul < kHangulCount) {
    const uint32_t index = point - kFirstHangul;
    put(0x1100 + index / 588, chunk);
    put(0x1161 + index % 588 / 28, chunk);
    if (index % 28 != 0) put(0x11A7 + index % 28, chunk);
    return;
  }
  const Simplified& table = simplified();
  const uint32_t mapped = table.mapped[point];
  if (mapped != Simplified::kSeveral) return put(mapped, chunk);
  for (const uint32_t part : table.several.at(point)) put(part, chunk);
}

void Words::end_chunk(Chunk& chunk) {
  const size_t size = text_.size() - chunk.start;
  if (size > 0) {
    std::string_view pieces;
    if (chunk.special && size > 1) {
      divide(chunk);
    } else if (chunk.ascii && !(pieces = simplified().pieces({text_.data() + chunk.start, size})).empty()) {
      text_.resize(chunk.start);
      put_divided(pieces);
    } else {
      text_.push_back(' ');
      starts_.push_back(static_cast<uint32_t>(text_.size()));
    }
  }
  chunk = {.start = text_.size()};
}

void Words::divide(const Chunk& chunk) {
  const std::u32string points = decode_utf8({text_.data() + chunk.start, text_.size() - chunk.start});
  text_.resize(chunk.start);
  const Affixes affixes(points);
  for (const std::u32string_view prefix : affixes.prefixes()) put_word(prefix);
  const std::u32string_view middle = affixes.middle();
  const std::string whole = middle.size() <= 15 ? Affixes::utf8(middle) : std::string();
  const std::string_view pieces = simplified().pieces(whole);
  if (!pieces.empty()) {
    put_divided(pieces);
  } else {
    size_t start = 0;
    for (size_t i = 1; i < middle.size(); ++i) {
      if (!is_infix(middle, i)) continue;
      put_word(middle.substr(start, i - start));
      put_word(middle.substr(i, 1));
      start = i + 1;
    }
    put_word(middle.substr(start));
  }
  for (size_t i = affixes.suffixes().size(); i-- > 0;) put_word(affixes.suffixes()[i]);
}

void Words::put_word(std::u32string_view word) {
  if (word.empty()) return;
  for (const char32_t point : word) append_utf8(text_, point);
  text_.push_back(' ');
  starts_.push_back(static_cast<uint32_t>(text_.size()));
}

void Words::put_divided(std::string_view pieces) {
  for (const char c : pieces) {
    text_.push_back(c);
    if (c == ' ') starts_.push_back(static_cast<uint32_t>(text_.size()));
  }
  text_.push_back(' ');
  starts_.push_back(static_cast<uint32_t>(text_.size()));
}

}  // namespace athanor::text
