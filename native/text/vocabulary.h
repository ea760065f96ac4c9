// A vocabulary in the form that training, tokenizer.json and rank files are brought to: the bytes
// of every token, what kind of token it is, and the merges in the order of their rank.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "text/hash.h"
#include "text/split.h"

namespace athanor::text {

using Bytes = std::span<const uint8_t>;

enum class TokenKind : uint8_t {
  kHole = 0,      // an id that no token has
  kOrdinary = 1,  // made by merges
  kSpecial = 2,   // made only where the caller allows special tokens
  kAdded = 3,     // whole strings that are found in any text before it is split
};

struct VocabularyData {
  std::vector<uint8_t> bytes;     // all tokens, one after another
  std::vector<uint32_t> offsets;  // [tokens + 1]
  std::vector<uint8_t> kinds;     // [tokens]
  std::vector<int32_t> merges;    // [merges * 3]: left, right, result
  SplitPattern pattern = SplitPattern::kGpt2;
  bool ignore_merges = false;  // a piece that is a token stays whole, whatever the merges say
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
  SplitPattern pattern() const { return data_.pattern; }
  bool ignore_merges() const { return data_.ignore_merges; }
  const uint32_t* byte_ids() const { return byte_ids_; }
  const Merge* merge(uint32_t left, uint32_t right) const { return merges_.find(pair_key(left, right)); }

  /// The ordinary token that is these bytes, or -1. Only where ignore_merges is set.
  int32_t whole(const uint8_t* data, size_t size) const;

  size_t memory_bytes() const;

 private:
  void check_tokens() const;
  void index_bytes();
  void index_merges();
  void index_whole();

  VocabularyData data_;
  uint32_t byte_ids_[256];
  PairMap<Merge> merges_;
  std::vector<int32_t> whole_;  // open addressing by hash of bytes; -1 is empty
};

/// The merges behind a tiktoken rank file, where only tokens and ranks (the ids) are known: a
/// token's merge is the last pair left when the merges of lower rank are applied to its bytes.
/// Triples as in VocabularyData. A token that lower ranks do not bring down to two parts has no
/// merge: only a whole piece becomes it. Throws ERR_FORMAT for a missing byte.
std::vector<int32_t> recover_merges(const std::vector<uint8_t>& bytes, const std::vector<uint32_t>& offsets);

}  // namespace athanor::text
