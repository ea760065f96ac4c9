#include "text/repeated_runs.h"

#include <algorithm>

#include "core/error.h"
#include "core/thread_pool.h"
#include "text/xxhash64.h"

namespace athanor::text {
namespace {

constexpr size_t kMostWords = 10000;
constexpr uint64_t kMostPositions = uint64_t{1} << KeyRecord::kDocumentBits;

/// The 80 bits of a window's key, in two hashes of different parts.
KeyRecord window_record(std::string_view window, uint64_t position) {
  const uint64_t high = xxhash64(window.data(), window.size());
  const uint64_t parts[2] = {high, xxhash64(window.data(), window.size() / 2)};
  return {high, xxhash64(parts, sizeof parts) << KeyRecord::kDocumentBits | position};
}

/// Of words begin to behind - 1. A word that is a part of what has no spaces stays with the whole.
ByteRange bytes_of(const std::vector<WordSource>& sources, size_t begin, size_t behind, size_t text_bytes) {
  while (begin > 0 && begin < behind && sources[begin - 1].begin == sources[begin].begin) ++begin;
  const auto place = [&](size_t word) {
    return word < sources.size() ? sources[word].begin : static_cast<uint32_t>(text_bytes);
  };
  return {place(begin), place(behind)};
}

}  // namespace

RepeatedRuns::RepeatedRuns(size_t words, const std::string& folder, size_t memory_bytes)
    : words_(words),
      windows_(folder + "/windows-", memory_bytes / 2),
      repetitions_(folder + "/repetitions-", memory_bytes / 2) {
  expect(words >= 2 && words <= kMostWords, ErrorCode::kArgument, "expected runs of 2 to ", kMostWords,
         " words but got ", words);
}

void RepeatedRuns::add(const std::vector<std::span<const uint8_t>>& texts) {
  std::vector<std::vector<KeyRecord>> records(texts.size());
  std::vector<uint64_t> counts(texts.size());
  parallel_for(static_cast<int64_t>(texts.size()), [&](int64_t index) {
    const size_t i = static_cast<size_t>(index);
    Words words;
    words.assign(texts[i]);
    counts[i] = words.count();
    if (words.count() < words_) return;
    records[i].reserve(words.count() - words_ + 1);
    for (size_t first = 0; first + words_ <= words.count(); ++first)
      records[i].push_back(window_record(words.range(first, words_), first));
  });
  for (size_t i = 0; i < texts.size(); ++i) {
    expect(counts[i] < kMostPositions - added_, ErrorCode::kArgument, "expected at most ", kMostPositions,
           " words");
    for (const KeyRecord& record : records[i]) windows_.add({record.high, record.low + added_});
    added_ += counts[i];
  }
}

void RepeatedRuns::find() {
  const auto source = windows_.sorted();
  KeyRecord first{0, 0};
  KeyRecord record;
  for (bool begun = false; source->next(record); begun = true) {
    if (!begun || !first.same_key(record)) {
      first = record;
      continue;
    }
    // The words of the first occurrence stay where the two overlap.
    const uint64_t begin = std::max(record.document(), first.document() + words_);
    repetitions_.add({begin, record.document() + words_ - begin});
  }
  repetitions_.flush();
  rewind();
}

void RepeatedRuns::rewind() {
  sorted_ = repetitions_.sorted();
  left_ = sorted_->next(repetition_);
  taken_ = 0;
}

std::vector<std::vector<ByteRange>> RepeatedRuns::take(const std::vector<std::span<const uint8_t>>& texts) {
  expect(sorted_ != nullptr, ErrorCode::kState, "the runs were not looked for yet");
  std::vector<std::vector<ByteRange>> ranges(texts.size());
  Words words;
  std::vector<WordSource> sources;
  for (size_t i = 0; i < texts.size(); ++i) {
    words.assign(texts[i], &sources);
    const uint64_t end = taken_ + words.count();
    while (left_ && repetition_.high < end) {
      const uint64_t begin = repetition_.high;
      uint64_t behind = begin;
      for (; left_ && repetition_.high < end && repetition_.high <= behind;
           left_ = sorted_->next(repetition_))
        behind = std::max(behind, repetition_.high + repetition_.low);
      expect(behind <= end, ErrorCode::kState, "the documents are not those that were added");
      const ByteRange range = bytes_of(sources, static_cast<size_t>(begin - taken_),
                                       static_cast<size_t>(behind - taken_), texts[i].size());
      if (range.begin < range.end) ranges[i].push_back(range);
    }
    taken_ = end;
  }
  expect(taken_ <= added_, ErrorCode::kState, "the documents are not those that were added");
  return ranges;
}

}  // namespace athanor::text
