#pragma once

#include <cstdint>
#include <cstring>
#include <vector>

#include "text/hash.h"

namespace athanor::text {

/// Counts distinct byte strings: open addressing over one arena, so that a new word
/// costs no allocation.
class WordCounter {
 public:
  struct Entry {
    uint64_t hash = 0;
    uint64_t count = 0;  // 0 is an empty entry
    uint64_t at = 0;
    uint32_t size = 0;
  };

  WordCounter() : entries_(size_t{1} << 14) {}

  void add(const uint8_t* word, uint32_t size, uint64_t count) {
    add(word, size, count, hash_bytes(word, size));
  }

  void add_all(const WordCounter& other) {
    for (const Entry& e : other.entries_)
      if (e.count > 0) add(other.arena_.data() + e.at, e.size, e.count, e.hash);
  }

  const std::vector<Entry>& entries() const { return entries_; }
  const uint8_t* word(const Entry& entry) const { return arena_.data() + entry.at; }

 private:
  void add(const uint8_t* word, uint32_t size, uint64_t count, uint64_t hash) {
    const size_t mask = entries_.size() - 1;
    for (size_t i = hash & mask;; i = (i + 1) & mask) {
      Entry& e = entries_[i];
      if (e.count == 0) {
        e = {hash, count, arena_.size(), size};
        arena_.insert(arena_.end(), word, word + size);
        if (++size_ * 2 > entries_.size()) grow();
        return;
      }
      if (e.hash == hash && e.size == size && std::memcmp(arena_.data() + e.at, word, size) == 0) {
        e.count += count;
        return;
      }
    }
  }

  void grow() {
    std::vector<Entry> old(entries_.size() * 2);
    old.swap(entries_);
    const size_t mask = entries_.size() - 1;
    for (const Entry& e : old) {
      if (e.count == 0) continue;
      size_t i = e.hash & mask;
      while (entries_[i].count != 0) i = (i + 1) & mask;
      entries_[i] = e;
    }
  }

  std::vector<Entry> entries_;
  std::vector<uint8_t> arena_;
  size_t size_ = 0;
};

}  // namespace athanor::text
