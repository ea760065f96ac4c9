// The normalizers of tokenizer.json, equal to those of the tokenizers library, with its version of
// Unicode. A byte that is not part of valid UTF-8 stays as it is, and nothing composes across it.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "text/regex.h"

namespace athanor::text {

enum class NormalizerKind { kNfc, kNfd, kNfkc, kNfkd, kLowercase, kStripAccents, kStrip, kReplace, kPrepend };

struct NormalizerStep {
  NormalizerKind kind = NormalizerKind::kNfc;
  std::string pattern;   // kReplace: a regular expression, or a text where `literal`
  bool literal = false;  // kReplace
  std::string content;   // kReplace, kPrepend
  bool left = false;     // kStrip
  bool right = false;    // kStrip
};

class Normalizer {
 public:
  /// Throws ERR_FORMAT for a regular expression that is not supported.
  explicit Normalizer(std::vector<NormalizerStep> steps);

  bool empty() const { return steps_.empty(); }
  /// Whether a text may be cut before a space that stands behind a letter of ASCII.
  bool cuts_at_spaces() const;
  std::vector<uint8_t> normalize(std::span<const uint8_t> text) const;

 private:
  struct Step : NormalizerStep {
    std::optional<Regex> regex;
  };
  std::vector<Step> steps_;
};

}  // namespace athanor::text
