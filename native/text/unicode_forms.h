// The normalization forms of Unicode and lower case, on UTF-8.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace athanor::text {

struct UnicodeForm {
  bool compatible;  // of the K forms
  bool composed;
};

using Utf8 = std::vector<uint8_t>;

void append_utf8(uint32_t point, Utf8& out);

Utf8 unicode_form(std::span<const uint8_t> text, UnicodeForm form);

/// Each character on its own: a sigma at the end of a word is as any other.
Utf8 lower_case(std::span<const uint8_t> text);

}  // namespace athanor::text
