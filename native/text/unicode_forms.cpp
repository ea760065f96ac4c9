#include "text/unicode_forms.h"

#include <algorithm>
#include <iterator>

#include "text/canonical_forms.h"
#include "text/compatible_places.h"
#include "text/compatible_texts.h"
#include "text/compositions.h"
#include "text/hash.h"
#include "text/lower_forms.h"
#include "text/unicode.h"

namespace athanor::text {
namespace {

using Points = std::vector<uint32_t>;

constexpr uint32_t kHangul = 0xAC00, kLead = 0x1100, kVowel = 0x1161, kTail = 0x11A7;
constexpr uint32_t kLeads = 19, kVowels = 21, kTails = 28, kSyllables = kLeads * kVowels * kTails;

/// The text of a character in a table of places and texts; empty if it has none.
template <size_t places, size_t texts>
std::span<const uint32_t> text_of(const uint32_t (&place)[places], const uint32_t (&text)[texts],
                                  uint32_t point) {
  size_t low = 0;
  size_t high = places / 2;
  while (low < high) {
    const size_t middle = (low + high) / 2;
    if (place[middle * 2] < point)
      low = middle + 1;
    else
      high = middle;
  }
  if (low * 2 == places || place[low * 2] != point) return {};
  return {text + (place[low * 2 + 1] >> 8), place[low * 2 + 1] & 0xFF};
}

uint32_t combining_class(uint32_t point) {
  if (point < 0x300) return 0;
  const auto after = std::upper_bound(std::begin(kCombiningClasses), std::end(kCombiningClasses), point,
                                      [](uint32_t p, uint32_t entry) { return p < entry >> 8; });
  return *(after - 1) & 0xFF;
}

uint32_t composed(uint32_t first, uint32_t second) {
  if (first - kLead < kLeads && second - kVowel < kVowels)
    return kHangul + ((first - kLead) * kVowels + second - kVowel) * kTails;
  const uint32_t syllable = first - kHangul;
  if (syllable < kSyllables && syllable % kTails == 0 && second > kTail && second - kTail < kTails)
    return first + second - kTail;
  static const PairMap<uint32_t> pairs = [] {
    PairMap<uint32_t> made(std::size(kCompositions) / 3);
    for (size_t i = 0; i < std::size(kCompositions); i += 3)
      made.insert(pair_key(kCompositions[i], kCompositions[i + 1]), kCompositions[i + 2]);
    return made;
  }();
  const uint32_t* found = pairs.find(pair_key(first, second));
  return found == nullptr ? 0 : *found;
}

void decompose(uint32_t point, bool compatible, Points& out) {
  const uint32_t syllable = point - kHangul;
  if (syllable < kSyllables) {
    out.push_back(kLead + syllable / (kVowels * kTails));
    out.push_back(kVowel + syllable / kTails % kVowels);
    if (syllable % kTails != 0) out.push_back(kTail + syllable % kTails);
    return;
  }
  std::span<const uint32_t> text;
  if (compatible) text = text_of(kCompatiblePlaces, kCompatibleTexts, point);
  if (text.empty()) text = text_of(kCanonicalPlaces, kCanonicalTexts, point);
  if (text.empty())
    out.push_back(point);
  else
    out.insert(out.end(), text.begin(), text.end());
}

/// Sorts runs of marks by their class.
void order_marks(Points& points) {
  for (size_t i = 0; i < points.size();) {
    if (combining_class(points[i]) == 0) {
      ++i;
      continue;
    }
    size_t end = i;
    while (end < points.size() && combining_class(points[end]) != 0) ++end;
    std::stable_sort(points.begin() + static_cast<ptrdiff_t>(i), points.begin() + static_cast<ptrdiff_t>(end),
                     [](uint32_t a, uint32_t b) { return combining_class(a) < combining_class(b); });
    i = end;
  }
}

void compose(Points& points) {
  constexpr size_t kNone = ~size_t{0};
  size_t kept = 0;
  size_t starter = kNone;
  uint32_t last_class = 0;
  for (const uint32_t point : points) {
    const uint32_t own_class = combining_class(point);
    const bool is_free = starter != kNone && (kept == starter + 1 || last_class < own_class);
    const uint32_t whole = is_free ? composed(points[starter], point) : 0;
    if (whole != 0) {
      points[starter] = whole;
      continue;
    }
    if (own_class == 0) starter = kept;
    last_class = own_class;
    points[kept++] = point;
  }
  points.resize(kept);
}

/// The end of a run that begins at `from` and that nothing outside composes with: before a
/// character of ASCII that another one of ASCII, or the end, follows; or a damaged byte.
size_t run_end(std::span<const uint8_t> text, size_t from, Points& points) {
  const uint8_t* const end = text.data() + text.size();
  size_t at = from;
  while (at < text.size()) {
    if (text[at] < 0x80) {
      if (at > from) return at;
      points.push_back(text[at++]);
      continue;
    }
    uint32_t point = 0;
    const int bytes = utf8_sequence(text.data() + at, end, &point);
    if (bytes == 0) return at;
    points.push_back(point);
    at += static_cast<size_t>(bytes);
  }
  return at;
}

}  // namespace

void append_utf8(uint32_t point, Utf8& out) {
  const auto tail = [&](int shift) { out.push_back(static_cast<uint8_t>(0x80 | (point >> shift & 0x3F))); };
  if (point < 0x80) {
    out.push_back(static_cast<uint8_t>(point));
  } else if (point < 0x800) {
    out.push_back(static_cast<uint8_t>(0xC0 | point >> 6));
    tail(0);
  } else if (point < 0x10000) {
    out.push_back(static_cast<uint8_t>(0xE0 | point >> 12));
    tail(6);
    tail(0);
  } else {
    out.push_back(static_cast<uint8_t>(0xF0 | point >> 18));
    tail(12);
    tail(6);
    tail(0);
  }
}

Utf8 unicode_form(std::span<const uint8_t> text, UnicodeForm form) {
  Utf8 out;
  out.reserve(text.size());
  Points run;
  Points points;
  for (size_t at = 0; at < text.size();) {
    // A character of ASCII changes nothing unless a mark follows it.
    if (text[at] < 0x80 && (at + 1 == text.size() || text[at + 1] < 0x80)) {
      out.push_back(text[at++]);
      continue;
    }
    run.clear();
    const size_t end = run_end(text, at, run);
    if (run.empty()) {
      out.push_back(text[at++]);
      continue;
    }
    points.clear();
    for (const uint32_t point : run) decompose(point, form.compatible, points);
    order_marks(points);
    if (form.composed) compose(points);
    for (const uint32_t point : points) append_utf8(point, out);
    at = end;
  }
  return out;
}

Utf8 lower_case(std::span<const uint8_t> text) {
  Utf8 out;
  out.reserve(text.size());
  const uint8_t* const end = text.data() + text.size();
  for (const uint8_t* at = text.data(); at < end;) {
    uint32_t point = *at;
    const int bytes = point < 0x80 ? 1 : utf8_sequence(at, end, &point);
    const std::span<const uint32_t> lower =
        bytes == 0 ? std::span<const uint32_t>() : text_of(kLowerPlaces, kLowerTexts, point);
    if (lower.empty()) out.insert(out.end(), at, at + std::max(bytes, 1));
    for (const uint32_t each : lower) append_utf8(each, out);
    at += std::max(bytes, 1);
  }
  return out;
}

}  // namespace athanor::text
