// The regular expressions of tokenizer.json, in the syntax of Oniguruma as the tokenizers library
// uses it: `^` and `$` are the ends of lines, and `.` takes newlines under `(?m)`.
#pragma once

#include <string_view>
#include <vector>

#include "text/char_set.h"

namespace athanor::text {

struct RegexNode {
  enum class Kind { kEmpty, kSet, kLook, kConcat, kAlternate, kRepeat };
  static constexpr int kNoLimit = -1;

  Kind kind = Kind::kEmpty;
  CharSet set;                      // kSet; kLook: what the character beside the place may be
  bool ahead = false;               // kLook: the character after the place, else the one before it
  bool at_edge = false;             // kLook: whether there may be no character
  int least = 0;                    // kRepeat
  int most = kNoLimit;              // kRepeat
  bool greedy = true;               // kRepeat
  std::vector<RegexNode> children;  // one for kRepeat
};

/// Throws ERR_FORMAT that names what is not supported: what needs more than one look at each
/// character (backreferences, lookaround of several characters, atomic groups), and the rarer parts
/// of the syntax.
RegexNode parse_regex(std::string_view pattern);

}  // namespace athanor::text
