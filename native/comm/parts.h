// Tensors in parts, one for each rank.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>

namespace athanor::comm {

/// Some elements of a tensor.
struct Part {
  size_t begin, end;
  size_t size() const { return end - begin; }
  /// Block `index` of it, empty after the last.
  Part block(size_t index, size_t elements) const {
    const size_t from = std::min(begin + index * elements, end);
    return {from, std::min(from + elements, end)};
  }
};

/// The part of a rank where `elements` need not be a multiple of the ranks; parts differ by one
/// element at most, and the first is one of the largest.
inline Part part_of(uint64_t elements, int rank, int size) {
  const uint64_t each = elements / size, more = elements % size, r = rank;
  const uint64_t begin = r * each + std::min(r, more);
  return {begin, begin + each + (r < more ? 1 : 0)};
}

/// The place of a rank among all but `me`, in rank order.
inline int place_among_others(int rank, int me) { return rank < me ? rank : rank - 1; }

}  // namespace athanor::comm
