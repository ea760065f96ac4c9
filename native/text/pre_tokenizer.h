// The steps that cut a text into pieces before merging, as tokenizer.json lists them. Each step
// works on the pieces of the one before it. The split patterns of split.h are steps too.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "text/literal_search.h"
#include "text/regex.h"
#include "text/split.h"

namespace athanor::text {

enum class PieceStepKind {
  kPattern,      // one of the patterns of split.h, which match everywhere
  kRegex,        // a regular expression
  kLiteral,      // a text
  kNumeric,      // a character of the pre-tokenizer Digits
  kPunctuation,  // a character of Punctuation
  kSpace,        // white space
  kWords,        // a match of the pre-tokenizer Whitespace
  kReplace,      // changes a text into another one
  kPrefix,       // puts a text before pieces that do not begin with it
  kFirstPrefix,  // the same, only at the beginning of the text
  kSpell,        // bytes become the characters that spell them
};

/// What becomes of the matches of a step and of the text between them.
enum class SplitBehavior { kIsolated, kRemoved, kMergedWithPrevious, kMergedWithNext, kContiguous };

struct PieceStep {
  PieceStepKind kind = PieceStepKind::kPattern;
  SplitPattern named = SplitPattern::kGpt2;  // kPattern
  std::string text;                          // what is searched, or put before
  std::string content;                       // kReplace: what takes its place
  SplitBehavior behavior = SplitBehavior::kIsolated;
  bool invert = false;  // the text between the matches counts as the matches
};

class PreTokenizer {
 public:
  /// Throws ERR_FORMAT for a regular expression that is not supported.
  explicit PreTokenizer(std::vector<PieceStep> steps);

  /// Whether the pieces are spelled bytes, not the bytes themselves.
  bool spells() const { return spells_; }
  /// Whether the one step is a pattern of split.h.
  const SplitPattern* only_pattern() const { return only_pattern_ ? &*only_pattern_ : nullptr; }
  /// Whether every text may be cut before a space between two letters of ASCII.
  bool cuts_at_spaces() const;

  /// Calls visit(begin, end) for each piece of [begin, end), which is valid during the call.
  template <class Visit>
  void each_piece(const uint8_t* begin, const uint8_t* end, bool is_first, const Visit& visit) const {
    std::vector<std::vector<uint8_t>> changed(steps_.size());
    run(0, begin, end, is_first, changed, visit);
  }

 private:
  struct Step : PieceStep {
    std::optional<Regex> regex;
  };
  struct Part {
    const uint8_t* begin;
    const uint8_t* end;
    bool is_match;
  };

  template <class Visit>
  void run(size_t index, const uint8_t* begin, const uint8_t* end, bool is_first,
           std::vector<std::vector<uint8_t>>& changed, const Visit& visit) const {
    if (begin == end) return;
    if (index == steps_.size()) return visit(begin, end);
    const Step& step = steps_[index];
    const auto next = [&](const uint8_t* from, const uint8_t* to) {
      run(index + 1, from, to, is_first && from == begin, changed, visit);
    };
    if (step.kind == PieceStepKind::kPattern) return for_each_piece(step.named, begin, end, next);
    if (changes(step.kind)) {
      if (!change(step, begin, end, is_first, changed[index]))
        return run(index + 1, begin, end, is_first, changed, visit);
      const std::vector<uint8_t>& text = changed[index];
      return run(index + 1, text.data(), text.data() + text.size(), is_first, changed, visit);
    }
    if (step.behavior == SplitBehavior::kIsolated) {
      return each_part(step, begin, end, [&](const Part& part) { next(part.begin, part.end); });
    }
    if (step.behavior == SplitBehavior::kRemoved) {
      return each_part(step, begin, end, [&](const Part& part) {
        if (part.is_match == step.invert) next(part.begin, part.end);
      });
    }
    std::vector<Part> parts;
    each_part(step, begin, end, [&](const Part& part) {
      parts.push_back({part.begin, part.end, part.is_match != step.invert});
    });
    for (const Part& part : merged(std::move(parts), step.behavior)) next(part.begin, part.end);
  }

  /// Calls visit(Part) for the matches and what is between them, in order.
  template <class Visit>
  static void each_part(const Step& step, const uint8_t* begin, const uint8_t* end, const Visit& visit) {
    const uint8_t* at = begin;
    const auto match = [&](const uint8_t* from, const uint8_t* to) {
      if (at != from) visit(Part{at, from, false});
      visit(Part{from, to, true});
      at = to;
    };
    if (step.kind == PieceStepKind::kLiteral) {
      each_literal(step.text, begin, end, match);
    } else {
      RegexSearch search(*step.regex, begin, end);
      const uint8_t* from = nullptr;
      const uint8_t* to = nullptr;
      while (search.find(&from, &to)) match(from, to);
    }
    if (at != end) visit(Part{at, end, false});
  }

  static bool changes(PieceStepKind kind) {
    return kind == PieceStepKind::kReplace || kind == PieceStepKind::kPrefix ||
           kind == PieceStepKind::kFirstPrefix || kind == PieceStepKind::kSpell;
  }
  /// Writes the changed text, or returns false.
  static bool change(const Step& step, const uint8_t* begin, const uint8_t* end, bool is_first,
                     std::vector<uint8_t>& out);
  static std::vector<Part> merged(std::vector<Part> parts, SplitBehavior behavior);

  std::vector<Step> steps_;
  std::optional<SplitPattern> only_pattern_;
  bool spells_ = false;
};

/// The bytes behind characters that PieceStepKind::kSpell wrote.
void unspell(const uint8_t* begin, const uint8_t* end, std::vector<uint8_t>& out);

}  // namespace athanor::text
