// Encoding cuts texts into parts where every split pattern begins a piece, so that both many small
// documents and one large document keep all threads busy; the ids do not depend on the cuts.
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <vector>

#include "text/added_tokens.h"
#include "text/merge_piece.h"
#include "text/normalizer.h"
#include "text/pre_tokenizer.h"
#include "text/vocabulary.h"

namespace athanor::text {

using Ids = std::vector<int32_t>;

/// The memory of one thread between pieces: the ids of words that it met, and working memory
/// for the rest.
class EncoderState {
 public:
  EncoderState();
  void encode_piece(const Vocabulary& vocabulary, const uint8_t* piece, size_t size, Ids& out);

  std::vector<uint8_t> unspelled;  // bytes of a piece that was spelled

 private:
  // Words of up to 16 bytes and 3 ids, 32 bytes per entry: nearly all words of natural text.
  struct Word {
    ShortKey key;
    int32_t ids[3];
    uint8_t size;  // bytes of the word; 0 is an empty entry
    uint8_t count;
  };

  void merge(const Vocabulary& vocabulary, const uint8_t* piece, size_t size, Ids& out);
  void merge_characters(const Vocabulary& vocabulary, const uint8_t* piece, size_t size, Ids& out);

  std::vector<Word> words_;
  std::vector<uint32_t> symbols_;
  MergeScratch scratch_;
};

/// How a text becomes pieces.
struct TextSettings {
  std::vector<NormalizerStep> normalizer;
  std::vector<PieceStep> pieces;
};

/// A token that stands in a text at bytes [begin, end), whatever the text spells elsewhere.
struct MarkedToken {
  size_t begin;
  size_t end;
  int32_t id;
};

class Tokenizer {
 public:
  Tokenizer(VocabularyData data, TextSettings settings);

  const Vocabulary& vocabulary() const { return vocabulary_; }
  /// The ids of each text, in order. Special tokens are found only when allowed; added ones always.
  std::vector<Ids> encode(const std::vector<Bytes>& texts, bool allow_special) const;
  /// The ids of one text with tokens at given places, in order, beside added ones.
  Ids encode_marked(Bytes text, const std::vector<MarkedToken>& tokens) const;
  /// The bytes of the ids; throws ERR_ARGUMENT for an id that is no token.
  std::vector<uint8_t> decode(const int32_t* ids, size_t count, bool skip_special) const;

 private:
  /// A run of one text: to be split and merged, or (text empty) one token that was found whole.
  struct Part {
    Bytes text;
    int32_t token;
    bool is_first;  // at the beginning of its text
  };
  struct Task;

  void add_runs(Bytes text, const std::vector<TextRun>& runs, std::vector<Part>& parts) const;
  void cut(Bytes text, bool is_first, std::vector<Part>& parts) const;
  static std::vector<Task> group(const std::vector<Part>& parts);
  /// The tasks with the ids of their parts.
  std::vector<Task> encode_parts(const std::vector<Part>& parts, bool allow_special) const;
  void encode_part(const Part& part, bool allow_special, EncoderState& state, Ids& out) const;
  void encode_run(Bytes text, bool is_first, EncoderState& state, Ids& out) const;
  std::unique_ptr<EncoderState> take_state() const;
  void return_state(std::unique_ptr<EncoderState> state) const;

  Vocabulary vocabulary_;
  Normalizer normalizer_;
  PreTokenizer pre_tokenizer_;
  AddedTokens added_;             // found before normalization
  AddedTokens normalized_added_;  // and after it
  bool cuts_at_spaces_;
  mutable std::mutex mutex_;
  mutable std::vector<std::unique_ptr<EncoderState>> states_;
};

}  // namespace athanor::text
