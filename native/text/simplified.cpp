#include "text/simplified.h"

#include <algorithm>
#include <deque>
#include <iterator>

#include "text/character_flags.h"
#include "text/english_words.h"
#include "text/mapped_characters.h"
#include "text/unicode.h"

namespace athanor::text {
namespace {

constexpr uint32_t kPoints = 0x110000;

void fill_mapped(Simplified& s) {
  s.mapped.resize(kPoints);
  for (uint32_t point = 0; point < kPoints; ++point) s.mapped[point] = point;
  for (size_t i = 0; i < std::size(kMappedCharacters); i += 4) {
    const uint32_t* run = kMappedCharacters + i;
    for (uint32_t point = run[0]; point <= run[1]; point += run[2])
      s.mapped[point] = run[3] + (point - run[0]);
  }
  for (size_t i = 0; i < std::size(kExpandedCharacters); i += 2 + kExpandedCharacters[i + 1]) {
    const uint32_t* entry = kExpandedCharacters + i;
    s.mapped[entry[0]] = Simplified::kSeveral;
    s.several[entry[0]] = {entry + 2, entry + 2 + entry[1]};
  }
}

void fill_flags(Simplified& s) {
  s.flags.resize(kPoints);
  const size_t count = std::size(kCharacterFlags);
  for (size_t i = 0; i < count; ++i) {
    const uint32_t last = i + 1 < count ? kCharacterFlags[i + 1] >> 8 : kPoints;
    std::fill(s.flags.begin() + (kCharacterFlags[i] >> 8), s.flags.begin() + last,
              static_cast<uint8_t>(kCharacterFlags[i] & 0xFF));
  }
}

void fill_words(Simplified& s) {
  for (const char* unit : kUnits) {
    const auto [entry, added] = s.units.insert(decode_utf8(unit));
    s.longest_unit = std::max(s.longest_unit, entry->size());
  }
  s.may_divide.resize(size_t{1} << 20);
  // The keys of the table, which live as long.
  static auto* whole = new std::deque<std::string>();
  for (const std::string_view pieces : kDividedWords) {
    std::string& word = whole->emplace_back();
    std::copy_if(pieces.begin(), pieces.end(), std::back_inserter(word), [](char c) { return c != ' '; });
    s.divided[word] = pieces;
    s.may_divide[Simplified::divided_key(word.data(), word.size())] = true;
  }
}

Simplified* build() {
  auto* s = new Simplified();
  fill_mapped(*s);
  fill_flags(*s);
  fill_words(*s);
  return s;
}

}  // namespace

const Simplified& simplified() {
  static const Simplified* table = build();
  return *table;
}

void append_utf8(std::vector<char>& out, uint32_t point) {
  const auto put = [&](uint32_t byte) { out.push_back(static_cast<char>(byte)); };
  if (point < 0x80) return put(point);
  if (point < 0x800) {
    put(0xC0 | point >> 6);
  } else {
    if (point < 0x10000) {
      put(0xE0 | point >> 12);
    } else {
      put(0xF0 | point >> 18);
      put(0x80 | (point >> 12 & 0x3F));
    }
    put(0x80 | (point >> 6 & 0x3F));
  }
  put(0x80 | (point & 0x3F));
}

std::u32string decode_utf8(std::string_view text) {
  std::u32string points;
  const auto* at = reinterpret_cast<const uint8_t*>(text.data());
  const uint8_t* end = at + text.size();
  while (at < end) {
    uint32_t point = *at;
    const int bytes = point < 0x80 ? 1 : utf8_sequence(at, end, &point);
    points.push_back(bytes == 0 ? 0xFFFD : point);
    at += std::max(bytes, 1);
  }
  return points;
}

}  // namespace athanor::text
