// MinHash as datatrove computes it: XXH64 of each run of `ngram` words, (a * hash + b) modulo
// 2^61 - 1 where the product wraps at 2^64 first, and the least value per (a, b). These come from
// numpy's RandomState of the seed. datasketch, rensa and text-dedup take other hashes or moduli, so
// their signatures differ.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "text/word_stream.h"

namespace athanor::text {

struct MinHashOptions {
  /// Words of a shingle.
  size_t ngram;
  size_t bands;
  /// Hashes of a band.
  size_t rows;
  uint32_t seed;
};

class MinHasher {
 public:
  /// Throws ERR_ARGUMENT for counts that are 0 or beyond 65,536 hashes in all.
  explicit MinHasher(const MinHashOptions& options);

  const MinHashOptions& options() const { return options_; }
  size_t hashes() const { return options_.bands * options_.rows; }

  /// Writes `hashes()` values, each below 2^61 - 1. Returns false, and writes kNone, when the
  /// text has fewer than `ngram` words.
  bool sign(std::span<const uint8_t> text, uint64_t* signature) const;
  static constexpr uint64_t kNone = ~uint64_t{0};

  /// The signatures of several texts, `[texts, hashes]`, on all threads.
  std::vector<uint64_t> sign_all(const std::vector<std::span<const uint8_t>>& texts) const;

 private:
  MinHashOptions options_;
  /// a and b, each filled up to a whole number of vectors.
  std::vector<uint64_t> factors_;
  std::vector<uint64_t> addends_;
};

/// Shares out texts among the threads: one task takes texts of some hundred kilobytes.
std::vector<size_t> text_tasks(const std::vector<std::span<const uint8_t>>& texts);

}  // namespace athanor::text
