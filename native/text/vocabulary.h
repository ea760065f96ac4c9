// A vocabulary in the form that training, tokenizer.json and rank files are brought to: the bytes
// of every token, what kind of token it is, and the merges in the order of their rank.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "text/hash.h"

namespace athanor::text {

using Bytes = std::span<const uint8_t>;

enum class TokenKind : uint8_t {
  kHole = 0,      // an id that no token has
  kOrdinary = 1,  // made by merges
  kSpecial = 2,   // made only where the caller allows special tokens
  kAdded = 3,     // whole strings that are found in any text before it is split
};

struct VocabularyData {
  std::vector<uint8_t> bytes;     // what the tokens stand for in a text, one after another
  std::vector<uint32_t> offsets;  // [tokens + 1]
  std::vector<uint8_t> kinds;     // [tokens]
  std::vector<uint8_t> flags;     // [tokens]: TokenFlag of added_tokens.h
  std::vector<int32_t> merges;    // [merges * 3]: left, right, result
  bool ignore_merges = false;     // a piece that is a token stays whole, whatever the merges say

  // A vocabulary whose symbols are characters has the texts of its tokens as well. Those of a
  // byte-level one are the bytes, and these are empty.
  std::vector<uint8_t> texts;
  std::vector<uint32_t> text_offsets;
  bool byte_fallback = false;  // a character without a token becomes the tokens <0x00> to <0xFF>
  int32_t unknown = -1;        // the id of such a character; without one it is dropped
  bool fuse_unknown = false;   // several such characters are one token
};

struct Merge {
  uint32_t rank;
  uint32_t result;
};

class Vocabulary {
 public:
  /// Throws ERR_FORMAT naming the first token or merge that does not fit.
  explicit Vocabulary(VocabularyData data);

  size_t size() const { return data_.kinds.size(); }
  TokenKind kind(size_t id) const { return static_cast<TokenKind>(data_.kinds[id]); }
  Bytes bytes(size_t id) const {
    return {data_.bytes.data() + data_.offsets[id], data_.offsets[id + 1] - data_.offsets[id]};
  }
  /// What is looked up in a text: the bytes, or the text of a token.
  Bytes text(size_t id) const {
    if (is_byte_level()) return bytes(id);
    return {data_.texts.data() + data_.text_offsets[id], data_.text_offsets[id + 1] - data_.text_offsets[id]};
  }
  uint8_t flags(size_t id) const { return data_.flags[id]; }
  bool is_byte_level() const { return data_.text_offsets.empty(); }
  /// Whether no token goes from another character to U+2581, so that text may be cut between them.
  bool begins_words() const { return begins_words_; }
  bool ignore_merges() const { return data_.ignore_merges; }
  const uint32_t* byte_ids() const { return byte_ids_; }
  const Merge* merge(uint32_t left, uint32_t right) const { return merges_.find(pair_key(left, right)); }

  /// Appends the ids of the characters of a piece. Only where the symbols are characters.
  void append_symbols(Bytes piece, std::vector<uint32_t>& out) const;

  /// The ordinary token that is these bytes, or -1. Only where ignore_merges is set.
  int32_t whole(const uint8_t* data, size_t size) const;

  size_t memory_bytes() const;

 private:
  void check_tokens() const;
  void check_texts() const;
  void index_bytes();
  void index_characters();
  void index_fallback();
  bool is_mergeable(size_t id) const;
  void index_merges();
  void index_whole();

  VocabularyData data_;
  uint32_t byte_ids_[256];
  PairMap<Merge> merges_;
  PairMap<uint32_t> characters_;    // of the tokens of one character
  std::vector<uint32_t> fallback_;  // [256] or empty: the tokens of single bytes
  bool begins_words_ = false;
  std::vector<int32_t> whole_;  // open addressing by hash of bytes; -1 is empty
};

/// The merges behind a tiktoken rank file, where only tokens and ranks (the ids) are known: a
/// token's merge is the last pair left when the merges of lower rank are applied to its bytes.
/// Triples as in VocabularyData. A token that lower ranks do not bring down to two parts has no
/// merge: only a whole piece becomes it. Throws ERR_FORMAT for a missing byte.
std::vector<int32_t> recover_merges(const std::vector<uint8_t>& bytes, const std::vector<uint32_t>& offsets);

}  // namespace athanor::text
