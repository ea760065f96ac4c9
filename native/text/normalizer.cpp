#include "text/normalizer.h"

#include <algorithm>
#include <cstring>

#include "core/error.h"
#include "text/char_set.h"
#include "text/literal_search.h"
#include "text/unicode_forms.h"

namespace athanor::text {
namespace {

using Text = std::span<const uint8_t>;

/// The characters for which `keep` holds.
template <class Keep>
Utf8 filtered(Text text, const Keep& keep) {
  Utf8 out;
  const uint8_t* const end = text.data() + text.size();
  for (const uint8_t* at = text.data(); at < end;) {
    uint32_t point = *at;
    const int bytes = point < 0x80 ? 1 : utf8_sequence(at, end, &point);
    const uint8_t* const next = at + std::max(bytes, 1);
    if (bytes == 0 || keep(point)) out.insert(out.end(), at, next);
    at = next;
  }
  return out;
}

Utf8 stripped(Text text, bool left, bool right) {
  const CharSet& space = char_kind(CharKind::kSpace);
  const uint8_t* begin = text.data();
  const uint8_t* end = begin + text.size();
  if (left) begin = after_spaces(begin, end, space);
  if (right) end = before_spaces(begin, end, space);
  return {begin, end};
}

Utf8 replaced(Text text, const NormalizerStep& step, const Regex* regex) {
  Utf8 out;
  const uint8_t* const end = text.data() + text.size();
  const uint8_t* at = text.data();
  const auto replace = [&](const uint8_t* from, const uint8_t* to) {
    out.insert(out.end(), at, from);
    out.insert(out.end(), step.content.begin(), step.content.end());
    at = to;
  };
  if (regex != nullptr) {
    RegexSearch search(*regex, at, end);
    const uint8_t* from = nullptr;
    const uint8_t* to = nullptr;
    while (search.find(&from, &to)) replace(from, to);
  } else {
    each_literal(step.pattern, at, end, replace);
  }
  out.insert(out.end(), at, end);
  return out;
}

bool is_char_wise(const NormalizerStep& step) {
  if (step.kind == NormalizerKind::kReplace) return step.literal && step.pattern.size() == 1;
  return step.kind != NormalizerKind::kStrip && step.kind != NormalizerKind::kPrepend;
}

}  // namespace

Normalizer::Normalizer(std::vector<NormalizerStep> steps) {
  for (NormalizerStep& step : steps) {
    std::optional<Regex> regex;
    if (step.kind == NormalizerKind::kReplace && !step.literal) regex.emplace(compile_regex(step.pattern));
    steps_.push_back({std::move(step), std::move(regex)});
  }
}

bool Normalizer::cuts_at_spaces() const {
  return std::all_of(steps_.begin(), steps_.end(), [](const Step& step) { return is_char_wise(step); });
}

std::vector<uint8_t> Normalizer::normalize(Text text) const {
  Utf8 now(text.begin(), text.end());
  for (const Step& step : steps_) {
    switch (step.kind) {
      case NormalizerKind::kNfc: now = unicode_form(now, {.compatible = false, .composed = true}); break;
      case NormalizerKind::kNfd: now = unicode_form(now, {.compatible = false, .composed = false}); break;
      case NormalizerKind::kNfkc: now = unicode_form(now, {.compatible = true, .composed = true}); break;
      case NormalizerKind::kNfkd: now = unicode_form(now, {.compatible = true, .composed = false}); break;
      case NormalizerKind::kLowercase: now = lower_case(now); break;
      case NormalizerKind::kStripAccents:
        now = filtered(now, [](uint32_t point) { return !char_kind(CharKind::kMark).contains(point); });
        break;
      case NormalizerKind::kStrip: now = stripped(now, step.left, step.right); break;
      case NormalizerKind::kReplace: now = replaced(now, step, step.regex ? &*step.regex : nullptr); break;
      case NormalizerKind::kPrepend:
        if (!now.empty()) now.insert(now.begin(), step.content.begin(), step.content.end());
        break;
    }
  }
  return now;
}

}  // namespace athanor::text
