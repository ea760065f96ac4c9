#include "text/unicode.h"

#include <algorithm>
#include <vector>

#include "text/unicode_ranges.h"

namespace athanor::text {
namespace {

std::vector<uint8_t> expand_ranges() {
  std::vector<uint8_t> classes(0x110000);
  const size_t count = sizeof kUnicodeRanges / sizeof kUnicodeRanges[0];
  for (size_t i = 0; i < count; ++i) {
    const uint32_t first = kUnicodeRanges[i] >> 7;
    const uint32_t last = i + 1 < count ? kUnicodeRanges[i + 1] >> 7 : 0x110000;
    std::fill(classes.begin() + first, classes.begin() + last,
              static_cast<uint8_t>(kUnicodeRanges[i] & 0x7F));
  }
  return classes;
}

}  // namespace

const uint8_t* unicode_classes() {
  static const std::vector<uint8_t>* classes = new std::vector<uint8_t>(expand_ranges());
  return classes->data();
}

}  // namespace athanor::text
