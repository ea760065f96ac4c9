// Encoding cuts texts into parts where every split pattern begins a piece, so that both many small
// documents and one large document keep all threads busy; the ids do not depend on the cuts.
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <vector>

#include "text/merge_piece.h"
#include "text/vocabulary.h"

namespace athanor::text {

using Ids = std::vector<int32_t>;

/// The memory of one thread between pieces: the ids of words that it met, and working memory
/// for the rest.
class EncoderState {
 public:
  EncoderState();
  void encode(const Vocabulary& vocabulary, Bytes text, Ids& out);

 private:
  // Words of up to 16 bytes and 3 ids, 32 bytes per entry: nearly all words of natural text.
  struct Word {
    ShortKey key;
    int32_t ids[3];
    uint8_t size;  // bytes of the word; 0 is an empty entry
    uint8_t count;
  };

  void encode_piece(const Vocabulary& vocabulary, const uint8_t* piece, size_t size, Ids& out);
  void merge(const Vocabulary& vocabulary, const uint8_t* piece, size_t size, Ids& out);

  std::vector<Word> words_;
  MergeScratch scratch_;
};

/// Finds whole-string tokens (special and added ones), leftmost first and the longest of those
/// that begin there.
class TokenFinder {
 public:
  TokenFinder(const Vocabulary& vocabulary, bool with_special);
  bool empty() const { return ids_.empty(); }

  struct Match {
    size_t at;
    size_t size;
    int32_t id;
  };
  /// The first match at or after `from`, or one with at == text.size().
  Match find(Bytes text, size_t from) const;

 private:
  std::vector<int32_t> ids_;  // by first byte, then the longest first
  uint32_t first_[257] = {};  // the ids of first byte b are [first_[b], first_[b + 1])
  const Vocabulary& vocabulary_;
};

class Tokenizer {
 public:
  explicit Tokenizer(VocabularyData data);

  const Vocabulary& vocabulary() const { return vocabulary_; }
  /// The ids of each text, in order. Special tokens are found only when allowed; added ones always.
  std::vector<Ids> encode(const std::vector<Bytes>& texts, bool allow_special) const;
  /// The bytes of the ids; throws ERR_ARGUMENT for an id that is no token.
  std::vector<uint8_t> decode(const int32_t* ids, size_t count, bool skip_special) const;

 private:
  std::unique_ptr<EncoderState> take_state() const;
  void return_state(std::unique_ptr<EncoderState> state) const;

  Vocabulary vocabulary_;
  TokenFinder added_;
  TokenFinder added_and_special_;
  mutable std::mutex mutex_;
  mutable std::vector<std::unique_ptr<EncoderState>> states_;
};

}  // namespace athanor::text
