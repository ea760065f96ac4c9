// Byte-level BPE as the Hugging Face trainer defines it: the pair with the highest count is merged
// next; among equal counts the pair with the smaller left id, then with the smaller right id; ids 0
// to 255 are the bytes in GPT-2's order. A merge touches only the places where its pair stands, so
// the cost does not grow with long words or many of them.
#pragma once

#include <atomic>
#include <cstdint>
#include <vector>

#include "text/split.h"
#include "text/vocabulary.h"
#include "text/word_counter.h"

namespace athanor::text {

/// The byte that id 0 to 255 stands for: printable Latin-1 first, then the rest, as
/// GPT-2 numbers them.
const uint8_t* gpt2_byte_order();

class BpeTrainer {
 public:
  /// `reserved` are the special tokens: strings that no merge may produce.
  BpeTrainer(SplitPattern pattern, std::vector<std::vector<uint8_t>> reserved);

  /// Splits the texts into words and counts them, on all threads.
  void count(const std::vector<Bytes>& texts);

  /// The merges up to `tokens` tokens (the bytes included), as pairs of ids; merge i makes
  /// token 256 + i. Fewer when no pair is left that occurs `min_count` times. Throws
  /// ERR_STATE when cancelled.
  std::vector<int32_t> train(size_t tokens, uint64_t min_count);

  /// Read from any thread while train() runs.
  size_t merges_done() const { return merges_done_.load(std::memory_order_relaxed); }
  void cancel() { cancelled_.store(true, std::memory_order_relaxed); }

 private:
  SplitPattern pattern_;
  std::vector<std::vector<uint8_t>> reserved_;
  std::vector<WordCounter> counters_;  // one per thread
  std::atomic<size_t> merges_done_{0};
  std::atomic<bool> cancelled_{false};
};

}  // namespace athanor::text
