// Runs of words of evaluation texts, to be found in documents.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "text/word_stream.h"

namespace athanor::text {

/// What one document has of the index.
struct NgramMatch {
  /// Places at which a run of the index begins.
  uint32_t count = 0;
  /// The set and the words of the first one.
  uint32_t set = 0;
  std::string words;
};

class NgramIndex {
 public:
  /// A text of at least `shortest` and fewer than `ngram` words is one run. Throws ERR_ARGUMENT for
  /// numbers out of range.
  NgramIndex(size_t ngram, size_t shortest);

  /// Adds the runs of each text under the number of their set; a run of several sets keeps the
  /// first. Returns the number of words per text; a text of fewer than `shortest` adds nothing.
  std::vector<uint32_t> add(const std::vector<std::span<const uint8_t>>& texts, uint32_t set);
  /// The matches of each text, on all threads.
  std::vector<NgramMatch> find(const std::vector<std::span<const uint8_t>>& texts) const;

  size_t size() const { return size_; }

 private:
  /// Words in the arena; `bytes` 0 is an empty place.
  struct Entry {
    uint64_t hash = 0;
    uint64_t at = 0;
    uint32_t bytes = 0;
    uint32_t set = 0;
  };

  const Entry* find(std::string_view words, uint64_t hash) const;
  void insert(const Entry& entry);
  NgramMatch match(std::span<const uint8_t> text) const;

  size_t ngram_;
  size_t shortest_;
  /// Whether there is a run of so many words.
  std::vector<bool> lengths_;
  std::vector<Entry> entries_;
  std::vector<char> arena_;
  size_t size_ = 0;
};

}  // namespace athanor::text
