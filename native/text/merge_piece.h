// Applies merges to one piece: lowest rank first, leftmost of equals. Short pieces look for the
// lowest rank by a scan of a few dozen entries, which no better bound can beat; long ones keep a
// linked list and a heap, so that a megabyte of one letter takes n log n.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <vector>

#include "text/vocabulary.h"

namespace athanor::text {

// Up to here the quadratic scan stays within 4 KB and was as fast as the heap in measurements.
inline constexpr size_t kShortPiece = 64;

/// Working memory for long pieces, reused from one to the next.
struct MergeScratch {
  std::vector<uint32_t> ids;
  std::vector<uint32_t> ranks;
  std::vector<uint32_t> results;
  std::vector<uint32_t> next;
  std::vector<uint32_t> previous;
  std::vector<uint64_t> heap;
};

namespace detail {

inline constexpr uint32_t kNoRank = ~uint32_t{0};

template <class IdAt, class Find>
void merge_short(size_t size, const IdAt& id_at, const Find& find, std::vector<int32_t>& out) {
  uint32_t ids[kShortPiece];
  uint32_t ranks[kShortPiece];
  uint32_t results[kShortPiece];
  const auto rank_at = [&](size_t i) {
    const Merge* merge = find(ids[i], ids[i + 1]);
    ranks[i] = merge != nullptr ? merge->rank : kNoRank;
    results[i] = merge != nullptr ? merge->result : 0;
  };
  for (size_t i = 0; i < size; ++i) ids[i] = id_at(i);
  for (size_t i = 0; i + 1 < size; ++i) rank_at(i);
  size_t count = size;
  while (count > 1) {
    size_t best = 0;
    for (size_t i = 1; i + 1 < count; ++i)
      if (ranks[i] < ranks[best]) best = i;
    if (ranks[best] == kNoRank) break;
    ids[best] = results[best];
    --count;
    std::memmove(ids + best + 1, ids + best + 2, (count - best - 1) * sizeof(uint32_t));
    std::memmove(ranks + best, ranks + best + 1, (count - best - 1) * sizeof(uint32_t));
    std::memmove(results + best, results + best + 1, (count - best - 1) * sizeof(uint32_t));
    if (best + 1 < count) rank_at(best);
    if (best > 0) rank_at(best - 1);
  }
  out.insert(out.end(), ids, ids + count);
}

template <class IdAt, class Find>
void merge_long(size_t size, const IdAt& id_at, const Find& find, MergeScratch& s,
                std::vector<int32_t>& out) {
  const uint32_t n = static_cast<uint32_t>(size);
  s.ids.resize(n);
  s.ranks.assign(n, kNoRank);
  s.results.resize(n);
  s.next.resize(n);
  s.previous.resize(n);
  s.heap.clear();
  // Entries are rank << 32 | position. An entry whose position has another rank by now is
  // out of date.
  const auto later = [](uint64_t a, uint64_t b) { return a > b; };
  const auto rank_at = [&](uint32_t i) {
    const Merge* merge = s.next[i] < n ? find(s.ids[i], s.ids[s.next[i]]) : nullptr;
    s.ranks[i] = merge != nullptr ? merge->rank : kNoRank;
    if (merge == nullptr) return false;
    s.results[i] = merge->result;
    s.heap.push_back(static_cast<uint64_t>(merge->rank) << 32 | i);
    return true;
  };
  for (uint32_t i = 0; i < n; ++i) {
    s.ids[i] = id_at(i);
    s.next[i] = i + 1;
    s.previous[i] = i - 1;
  }
  for (uint32_t i = 0; i + 1 < n; ++i) rank_at(i);
  std::make_heap(s.heap.begin(), s.heap.end(), later);
  while (!s.heap.empty()) {
    std::pop_heap(s.heap.begin(), s.heap.end(), later);
    const uint32_t rank = static_cast<uint32_t>(s.heap.back() >> 32);
    const uint32_t at = static_cast<uint32_t>(s.heap.back());
    s.heap.pop_back();
    if (s.ranks[at] != rank) continue;
    const uint32_t gone = s.next[at];
    s.ids[at] = s.results[at];
    s.ranks[gone] = kNoRank;
    s.next[at] = s.next[gone];
    if (s.next[at] < n) s.previous[s.next[at]] = at;
    if (rank_at(at)) std::push_heap(s.heap.begin(), s.heap.end(), later);
    if (at > 0 && rank_at(s.previous[at])) std::push_heap(s.heap.begin(), s.heap.end(), later);
  }
  for (uint32_t i = 0; i < n; i = s.next[i]) out.push_back(static_cast<int32_t>(s.ids[i]));
}

}  // namespace detail

/// Appends the ids of one piece of 1 to 2^32 - 2 symbols. id_at(i) gives the id of a symbol, and
/// find(left, right) a Merge or null.
template <class IdAt, class Find>
void merge_symbols(size_t size, const IdAt& id_at, const Find& find, MergeScratch& scratch,
                   std::vector<int32_t>& out) {
  if (size <= kShortPiece)
    detail::merge_short(size, id_at, find, out);
  else
    detail::merge_long(size, id_at, find, scratch, out);
}

/// The same for a piece whose symbols are its bytes.
template <class Find>
void merge_piece(const uint8_t* data, size_t size, const uint32_t* byte_ids, const Find& find,
                 MergeScratch& scratch, std::vector<int32_t>& out) {
  merge_symbols(size, [&](size_t i) { return byte_ids[data[i]]; }, find, scratch, out);
}

}  // namespace athanor::text
