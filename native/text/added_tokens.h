// Tokens that are found in a text as a whole before it is cut: special and added ones. Leftmost
// first, the longest of those that begin there; with the conditions that the tokenizers library
// knows for a match.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "text/hash.h"
#include "text/vocabulary.h"

namespace athanor::text {

/// Bits of VocabularyData::flags.
enum TokenFlag : uint8_t {
  kTakesSpaceBefore = 1,  // lstrip
  kTakesSpaceAfter = 2,   // rstrip
  kOnlyWord = 4,          // single_word: no letter or digit beside it
  kNormalized = 8,        // found after normalization
  kOfModel = 16,          // the model has it too, so that text may become it by merges
};

/// A run of a text: a token that was found, or (id -1) text.
struct TextRun {
  size_t begin;
  size_t end;
  int32_t id;
};

class AddedTokens {
 public:
  struct Token {
    int32_t id;
    uint8_t flags;
    bool special;
    std::vector<uint8_t> text;
  };

  explicit AddedTokens(std::vector<Token> tokens);

  bool empty() const { return tokens_.empty(); }
  /// Appends the runs of text[from, to). A special token counts where `allow_special` is true;
  /// else it is ordinary text, as a whole.
  void find(Bytes text, size_t from, size_t to, bool allow_special, std::vector<TextRun>& runs) const;
  /// Widens a token that stands at [begin, end) by the spaces that it takes, between the bounds.
  static void widen(uint8_t flags, Bytes text, size_t from, size_t to, size_t& begin, size_t& end);

 private:
  const Token* longest(Bytes text, size_t at, size_t to) const;

  std::vector<Token> tokens_;
  bool begins_[256] = {};
  PairMap<uint32_t> nodes_;        // a node and a byte to the next node; 0 is the root
  std::vector<int32_t> ends_{-1};  // of each node: the place in tokens_, or -1
};

}  // namespace athanor::text
