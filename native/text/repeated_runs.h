// Runs of many words that stand more than once in a corpus, in one document or in several. All
// windows of so many words are sorted by their hash, on disk, so memory does not grow with them.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "text/key_sorter.h"
#include "text/word_stream.h"

namespace athanor::text {

/// Bytes of a text: from the beginning of a word to the beginning of another one, or the end.
struct ByteRange {
  uint32_t begin;
  uint32_t end;
};

class RepeatedRuns {
 public:
  /// @param folder exists; what does not fit into memory_bytes is sorted there
  RepeatedRuns(size_t words, const std::string& folder, size_t memory_bytes);

  /// Adds documents, in order, on all threads. Throws ERR_ARGUMENT beyond 2^48 words in all.
  void add(const std::vector<std::span<const uint8_t>>& texts);
  /// Finds the runs. Nothing may be added after this.
  void find();
  /// Begins again at the first document.
  void rewind();
  /// The repetitions in the next documents, which have to come as they were added: all but the
  /// first occurrence of each run, in order and apart from each other.
  std::vector<std::vector<ByteRange>> take(const std::vector<std::span<const uint8_t>>& texts);

 private:
  size_t words_;
  KeySorter windows_;
  /// Repeated words: where they begin in the corpus, and their number in place of a document.
  KeySorter repetitions_;
  std::unique_ptr<RecordSource> sorted_;
  KeyRecord repetition_{0, 0};
  bool left_ = false;
  uint64_t added_ = 0;
  uint64_t taken_ = 0;
};

}  // namespace athanor::text
