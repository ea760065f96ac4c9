#include "text/pre_tokenizer.h"

#include <algorithm>

#include "text/regex_syntax.h"
#include "text/unicode_forms.h"

namespace athanor::text {
namespace {

bool prints(uint32_t byte) { return (byte >= 33 && byte <= 126) || (byte >= 161 && byte != 173); }

/// The character that spells each byte, as src/text/byte-level.ts has it.
std::array<uint32_t, 256> make_spelling() {
  std::array<uint32_t, 256> spelling{};
  uint32_t next = 256;
  for (uint32_t byte = 0; byte < 256; ++byte) spelling[byte] = prints(byte) ? byte : next++;
  return spelling;
}

const std::array<uint32_t, 256>& spelling() {
  static const std::array<uint32_t, 256> made = make_spelling();
  return made;
}

RegexNode of_set(CharSet set) {
  RegexNode node;
  node.kind = RegexNode::Kind::kSet;
  node.set = std::move(set);
  return node;
}

RegexNode many(RegexNode child) {
  RegexNode node;
  node.kind = RegexNode::Kind::kRepeat;
  node.least = 1;
  node.children.push_back(std::move(child));
  return node;
}

/// \w+|[^\w\s]+
RegexNode words() {
  const CharSet& word = char_kind(CharKind::kRegexWord);
  RegexNode node;
  node.kind = RegexNode::Kind::kAlternate;
  node.children.push_back(many(of_set(word)));
  node.children.push_back(many(of_set(~(word | char_kind(CharKind::kSpace)))));
  return node;
}

std::optional<Regex> regex_of(const PieceStep& step) {
  switch (step.kind) {
    case PieceStepKind::kRegex: return compile_regex(step.text);
    case PieceStepKind::kNumeric: return Regex(of_set(char_kind(CharKind::kNumeric)));
    case PieceStepKind::kPunctuation: return Regex(of_set(char_kind(CharKind::kPunctuation)));
    case PieceStepKind::kSpace: return Regex(of_set(char_kind(CharKind::kSpace)));
    case PieceStepKind::kWords: return Regex(words());
    default: return std::nullopt;
  }
}

}  // namespace

PreTokenizer::PreTokenizer(std::vector<PieceStep> steps) {
  for (PieceStep& step : steps) {
    spells_ = spells_ || step.kind == PieceStepKind::kSpell;
    std::optional<Regex> regex = regex_of(step);
    steps_.push_back({std::move(step), std::move(regex)});
  }
  if (steps_.size() == 1 && steps_[0].kind == PieceStepKind::kPattern) only_pattern_ = steps_[0].named;
}

bool PreTokenizer::cuts_at_spaces() const {
  static constexpr std::string_view kLetters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
  const auto has_letter_before_space = [](const std::string& text) {
    return std::any_of(text.begin(), text.end(),
                       [](char c) { return c == ' ' || static_cast<uint8_t>(c) > 127; });
  };
  for (const Step& step : steps_) {
    if (step.kind == PieceStepKind::kPattern) return true;
    const bool is_free =
        step.behavior == SplitBehavior::kIsolated || step.behavior == SplitBehavior::kRemoved;
    if (changes(step.kind)) {
      // A prefix is not put before a space that it begins with; other changes move the space.
      if (step.kind == PieceStepKind::kSpell || step.kind == PieceStepKind::kReplace || step.text != " ")
        return false;
    } else if (step.kind == PieceStepKind::kLiteral) {
      if (step.text.size() > 1 && has_letter_before_space(step.text)) return false;
      if (is_free && step.text == " ") return true;
    } else if (!is_free || !step.regex->is_apart(kLetters, ' ')) {
      return false;
    } else if (step.regex->ends_between(kLetters, ' ')) {
      return true;
    }
  }
  return false;
}

bool PreTokenizer::change(const Step& step, const uint8_t* begin, const uint8_t* end, bool is_first,
                          std::vector<uint8_t>& out) {
  const std::string& text = step.text;
  out.clear();
  if (step.kind == PieceStepKind::kSpell) {
    for (const uint8_t* at = begin; at < end; ++at) append_utf8(spelling()[*at], out);
    return true;
  }
  if (step.kind == PieceStepKind::kReplace) {
    const uint8_t* at = begin;
    each_literal(text, begin, end, [&](const uint8_t* from, const uint8_t* to) {
      out.insert(out.end(), at, from);
      out.insert(out.end(), step.content.begin(), step.content.end());
      at = to;
    });
    if (at == begin) return false;
    out.insert(out.end(), at, end);
    return true;
  }
  if (step.kind == PieceStepKind::kFirstPrefix && !is_first) return false;
  const auto size = static_cast<ptrdiff_t>(text.size());
  if (end - begin >= size && std::equal(text.begin(), text.end(), reinterpret_cast<const char*>(begin)))
    return false;
  out.assign(text.begin(), text.end());
  out.insert(out.end(), begin, end);
  return true;
}

/// As the tokenizers library merges: a match behind another match stays on its own.
std::vector<PreTokenizer::Part> PreTokenizer::merged(std::vector<Part> parts, SplitBehavior behavior) {
  std::vector<Part> out;
  const bool is_reverse = behavior == SplitBehavior::kMergedWithNext;
  if (is_reverse) std::reverse(parts.begin(), parts.end());
  bool was_match = false;
  for (const Part& part : parts) {
    const bool joins =
        behavior == SplitBehavior::kContiguous ? part.is_match == was_match : part.is_match && !was_match;
    was_match = part.is_match;
    if (!joins || out.empty())
      out.push_back(part);
    else if (is_reverse)
      out.back().begin = part.begin;
    else
      out.back().end = part.end;
  }
  if (is_reverse) std::reverse(out.begin(), out.end());
  return out;
}

void unspell(const uint8_t* begin, const uint8_t* end, std::vector<uint8_t>& out) {
  static const std::array<uint8_t, 512> bytes = [] {
    std::array<uint8_t, 512> made{};
    for (size_t byte = 0; byte < 256; ++byte) made[spelling()[byte]] = static_cast<uint8_t>(byte);
    return made;
  }();
  out.clear();
  int size = 0;
  for (const uint8_t* at = begin; at < end; at += size) out.push_back(bytes[point_at(at, end, &size) & 511]);
}

}  // namespace athanor::text
