// Searches in UTF-8 text that need no automaton.
#pragma once

#include <cstdint>
#include <cstring>
#include <string_view>

#include "text/char_set.h"
#include "text/unicode.h"

namespace athanor::text {

/// Calls visit(from, to) for each place of a literal of at least one byte, from left to right.
template <class Visit>
void each_literal(std::string_view literal, const uint8_t* at, const uint8_t* end, const Visit& visit) {
  const auto size = static_cast<ptrdiff_t>(literal.size());
  const auto first = static_cast<uint8_t>(literal[0]);
  while (end - at >= size) {
    const void* found = std::memchr(at, first, static_cast<size_t>(end - at - size + 1));
    if (found == nullptr) return;
    at = static_cast<const uint8_t*>(found);
    if (std::memcmp(at, literal.data(), literal.size()) == 0) {
      visit(at, at + size);
      at += size;
    } else {
      ++at;
    }
  }
}

/// The character at `at` < end; a damaged byte is kInvalidByte.
inline uint32_t point_at(const uint8_t* at, const uint8_t* end, int* bytes) {
  uint32_t point = *at;
  *bytes = 1;
  if (point < 0x80) return point;
  const int size = utf8_sequence(at, end, &point);
  if (size == 0) return kInvalidByte;
  *bytes = size;
  return point;
}

/// The character that ends at `end` > begin.
inline uint32_t point_before(const uint8_t* begin, const uint8_t* end, int* bytes) {
  const uint8_t* at = end - 1;
  while (at > begin && end - at < 4 && (*at & 0xC0) == 0x80) --at;
  const uint32_t point = point_at(at, end, bytes);
  if (at + *bytes == end) return point;
  *bytes = 1;
  return kInvalidByte;
}

inline const uint8_t* after_spaces(const uint8_t* at, const uint8_t* end, const CharSet& spaces) {
  int bytes = 0;
  while (at < end && spaces.contains(point_at(at, end, &bytes))) at += bytes;
  return at;
}

inline const uint8_t* before_spaces(const uint8_t* begin, const uint8_t* end, const CharSet& spaces) {
  int bytes = 0;
  while (end > begin && spaces.contains(point_before(begin, end, &bytes))) end -= bytes;
  return end;
}

}  // namespace athanor::text
