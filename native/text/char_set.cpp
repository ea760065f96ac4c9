#include "text/char_set.h"

#include <algorithm>
#include <array>
#include <string>

#include "text/char_categories.h"
#include "text/char_properties.h"
#include "text/char_scripts.h"

namespace athanor::text {
namespace {

constexpr uint32_t kEnd = 0x110000;

/// The characters of a table whose entries are (first character << shift) | value and hold up to
/// the next entry, by a test of the value.
template <class Entries, class Test>
CharSet select(const Entries& entries, int shift, const Test& test) {
  std::vector<CharSet::Range> ranges;
  const size_t count = std::size(entries);
  for (size_t i = 0; i < count; ++i) {
    if (!test(entries[i] & ((1u << shift) - 1))) continue;
    const uint32_t next = i + 1 < count ? entries[i + 1] >> shift : kEnd;
    ranges.push_back({entries[i] >> shift, next - 1});
  }
  return CharSet::of(std::move(ranges));
}

template <class Test>
CharSet of_category(const Test& test) {
  return select(kCategories, 6, [&](uint32_t value) { return test(kCategoryNames[value & 31]); });
}

CharSet pairs(const uint32_t* values, size_t count) {
  std::vector<CharSet::Range> ranges;
  for (size_t i = 0; i < count; i += 2) ranges.push_back({values[i], values[i + 1]});
  return CharSet::of(std::move(ranges));
}

CharSet make_kind(CharKind kind) {
  switch (kind) {
    case CharKind::kWord: return select(kCategories, 6, [](uint32_t value) { return (value & 32) != 0; });
    case CharKind::kSpace: return pairs(kSpaces, std::size(kSpaces));
    case CharKind::kDigit: return of_category([](std::string_view name) { return name == "nd"; });
    case CharKind::kNumeric: return pairs(kNumericCharacters, std::size(kNumericCharacters));
    case CharKind::kPunctuation: return pairs(kPunctuation, std::size(kPunctuation));
    case CharKind::kRegexWord: return pairs(kRegexWords, std::size(kRegexWords));
    case CharKind::kMark: return pairs(kAccents, std::size(kAccents));
  }
  return {};
}

std::string plain_name(std::string_view name) {
  std::string plain;
  for (const char c : name) {
    if (c == ' ' || c == '_' || c == '-') continue;
    plain += c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
  }
  return plain;
}

struct LongName {
  std::string_view name;
  std::string_view category;
};
constexpr LongName kLongNames[] = {
    {"letter", "l"},
    {"uppercaseletter", "lu"},
    {"lowercaseletter", "ll"},
    {"titlecaseletter", "lt"},
    {"modifierletter", "lm"},
    {"otherletter", "lo"},
    {"mark", "m"},
    {"nonspacingmark", "mn"},
    {"spacingmark", "mc"},
    {"enclosingmark", "me"},
    {"number", "n"},
    {"decimalnumber", "nd"},
    {"letternumber", "nl"},
    {"othernumber", "no"},
    {"punctuation", "p"},
    {"symbol", "s"},
    {"separator", "z"},
    {"other", "c"},
    {"control", "cc"},
    {"format", "cf"},
    {"mathsymbol", "sm"},
    {"currencysymbol", "sc"},
    {"modifiersymbol", "sk"},
    {"othersymbol", "so"},
    {"spaceseparator", "zs"},
    {"dashpunctuation", "pd"},
    {"connectorpunctuation", "pc"},
};

}  // namespace

CharSet CharSet::of(std::vector<Range> ranges) {
  std::sort(ranges.begin(), ranges.end(), [](const Range& a, const Range& b) { return a.first < b.first; });
  CharSet set;
  for (const Range& range : ranges) {
    if (!set.ranges_.empty() && range.first <= set.ranges_.back().last + 1)
      set.ranges_.back().last = std::max(set.ranges_.back().last, range.last);
    else
      set.ranges_.push_back(range);
  }
  return set;
}

bool CharSet::contains(uint32_t point) const {
  const auto after = std::upper_bound(ranges_.begin(), ranges_.end(), point,
                                      [](uint32_t p, const Range& range) { return p < range.first; });
  return after != ranges_.begin() && (after - 1)->last >= point;
}

CharSet CharSet::operator|(const CharSet& other) const {
  std::vector<Range> ranges = ranges_;
  ranges.insert(ranges.end(), other.ranges_.begin(), other.ranges_.end());
  return of(std::move(ranges));
}

CharSet CharSet::operator~() const {
  CharSet set;
  uint32_t next = 0;
  for (const Range& range : ranges_) {
    if (range.first > next) set.ranges_.push_back({next, range.first - 1});
    next = range.last + 1;
  }
  if (next <= kInvalidByte) set.ranges_.push_back({next, kInvalidByte});
  return set;
}

const CharSet& char_kind(CharKind kind) {
  static const std::array<CharSet, 7> kinds = [] {
    std::array<CharSet, 7> made;
    for (size_t i = 0; i < made.size(); ++i) made[i] = make_kind(static_cast<CharKind>(i));
    return made;
  }();
  return kinds[static_cast<size_t>(kind)];
}

std::optional<CharSet> char_property(std::string_view name) {
  std::string plain = plain_name(name);
  for (const LongName& known : kLongNames)
    if (plain == known.name) plain = known.category;
  const bool is_group = plain.size() == 1;
  const CharSet category =
      of_category([&](std::string_view of) { return is_group ? of[0] == plain[0] : of == plain; });
  if (!category.empty()) return category;
  for (size_t i = 0; i < std::size(kScriptNames); ++i)
    if (plain == kScriptNames[i]) return select(kScripts, 8, [&](uint32_t value) { return value == i; });
  return posix_bracket(name);
}

std::optional<CharSet> posix_bracket(std::string_view name) {
  const std::string plain = plain_name(name);
  const auto category = [](std::string_view letters) {
    return of_category([&](std::string_view of) { return letters.find(of[0]) != std::string_view::npos; });
  };
  const CharSet& space = char_kind(CharKind::kSpace);
  if (plain == "digit") return char_kind(CharKind::kDigit);
  if (plain == "space") return space;
  if (plain == "punct") return category("ps");
  if (plain == "cntrl") return char_property("cc");
  if (plain == "xdigit") return CharSet::of({{'0', '9'}, {'A', 'F'}, {'a', 'f'}});
  if (plain == "blank") return *char_property("zs") | CharSet('\t');
  if (plain == "ascii") return CharSet::of({{0, 127}});
  return std::nullopt;
}

}  // namespace athanor::text
