#include "text/unicode.h"

#include <string_view>
#include <vector>

#include "text/char_categories.h"
#include "text/char_set.h"

namespace athanor::text {
namespace {

uint8_t class_of(std::string_view category) {
  if (category == "lu" || category == "lt") return kUpper;
  if (category == "ll") return kLower;
  if (category == "lm" || category == "lo") return kCaselessLetter;
  if (category[0] == 'm') return kMark;
  return category[0] == 'n' ? kNumber : 0;
}

std::vector<uint8_t> expand_ranges() {
  std::vector<uint8_t> classes(0x110000);
  const size_t count = std::size(kCategories);
  for (size_t i = 0; i < count; ++i) {
    const uint32_t last = i + 1 < count ? kCategories[i + 1] >> 6 : 0x110000;
    const uint8_t bits = class_of(kCategoryNames[kCategories[i] & 31]);
    for (uint32_t point = kCategories[i] >> 6; point < last; ++point) classes[point] = bits;
  }
  for (const CharSet::Range& range : char_kind(CharKind::kSpace).ranges())
    for (uint32_t point = range.first; point <= range.last; ++point) classes[point] |= kSpace;
  classes['\r'] |= kNewline;
  classes['\n'] |= kNewline;
  return classes;
}

}  // namespace

const uint8_t* unicode_classes() {
  static const std::vector<uint8_t>* classes = new std::vector<uint8_t>(expand_ranges());
  return classes->data();
}

}  // namespace athanor::text
