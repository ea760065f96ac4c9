// A byte that is not part of valid UTF-8 is a character of its own with no class, so that any bytes
// at all can be split into pieces and joined again.
#pragma once

#include <cstddef>
#include <cstdint>

namespace athanor::text {

enum CharClass : uint8_t {
  kUpper = 1,           // Lu, Lt
  kLower = 2,           // Ll
  kCaselessLetter = 4,  // Lm, Lo
  kMark = 8,
  kNumber = 16,
  kSpace = 32,    // White_Space, newlines included
  kNewline = 64,  // \r and \n
  kLetter = kUpper | kLower | kCaselessLetter,
};

/// Class bits by code point, 0x110000 entries; built on first use.
const uint8_t* unicode_classes();

struct Char {
  uint8_t classes;
  uint8_t bytes;
};

/// Bytes of the valid UTF-8 sequence that starts at `at` (2 to 4), or 0; *at must not be ASCII.
inline int utf8_sequence(const uint8_t* at, const uint8_t* end, uint32_t* point) {
  const uint8_t lead = *at;
  const ptrdiff_t left = end - at;
  const auto tail = [&](int i) { return (at[i] & 0xC0) == 0x80; };
  if (lead >= 0xC2 && lead <= 0xDF) {
    if (left < 2 || !tail(1)) return 0;
    *point = (lead & 0x1Fu) << 6 | (at[1] & 0x3Fu);
    return 2;
  }
  if ((lead & 0xF0) == 0xE0) {
    if (left < 3 || !tail(1) || !tail(2)) return 0;
    *point = (lead & 0x0Fu) << 12 | (at[1] & 0x3Fu) << 6 | (at[2] & 0x3Fu);
    return *point >= 0x800 && (*point < 0xD800 || *point > 0xDFFF) ? 3 : 0;
  }
  if (lead >= 0xF0 && lead <= 0xF4) {
    if (left < 4 || !tail(1) || !tail(2) || !tail(3)) return 0;
    *point = (lead & 0x07u) << 18 | (at[1] & 0x3Fu) << 12 | (at[2] & 0x3Fu) << 6 | (at[3] & 0x3Fu);
    return *point >= 0x10000 && *point <= 0x10FFFF ? 4 : 0;
  }
  return 0;
}

/// The character at `at` < end; `classes` is unicode_classes().
inline Char char_at(const uint8_t* classes, const uint8_t* at, const uint8_t* end) {
  if (*at < 0x80) return {classes[*at], 1};
  uint32_t point = 0;
  const int bytes = utf8_sequence(at, end, &point);
  if (bytes == 0) return {0, 1};
  return {classes[point], static_cast<uint8_t>(bytes)};
}

}  // namespace athanor::text
