#include "comm/sums.h"

#include <algorithm>

namespace athanor::comm {
namespace {

/// Elements that are summed in the first-level cache before they are stored.
constexpr size_t kTile = 1024;

template <class T>
void sum_tiles(const std::vector<const std::byte*>& parts, std::byte* out, size_t elements) {
  alignas(64) float total[kTile];
  for (size_t begin = 0; begin < elements; begin += kTile) {
    const size_t count = std::min(kTile, elements - begin);
    const T* first = reinterpret_cast<const T*>(parts[0]) + begin;
    for (size_t i = 0; i < count; ++i) total[i] = to_float(first[i]);
    for (size_t part = 1; part < parts.size(); ++part) {
      const T* next = reinterpret_cast<const T*>(parts[part]) + begin;
      for (size_t i = 0; i < count; ++i) total[i] += to_float(next[i]);
    }
    T* sums = reinterpret_cast<T*>(out) + begin;
    for (size_t i = 0; i < count; ++i) sums[i] = from_float<T>(total[i]);
  }
}

}  // namespace

void sum_in_order(DType dtype, const std::vector<const std::byte*>& parts, std::byte* out, size_t elements) {
  if (dtype == DType::kF32) {
    sum_tiles<float>(parts, out, elements);
  } else {
    sum_tiles<bf16>(parts, out, elements);
  }
}

}  // namespace athanor::comm
