// The least (a * hash + b) mod (2^61 - 1) over a block of hashes: the inner loop of MinHash,
// compiled for each instruction set of this family of processors. All compute with whole numbers,
// so their results are equal.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace athanor::text {

inline constexpr uint64_t kMersenne61 = (uint64_t{1} << 61) - 1;
/// Permutations that the loop takes at once: two vectors of AVX-512.
inline constexpr size_t kPermutationLanes = 16;

/// `permutations` is a multiple of kPermutationLanes; `least` is read and written.
[[gnu::always_inline]] inline void least_permuted_body(const uint64_t* hashes, size_t count,
                                                       const uint64_t* factors, const uint64_t* addends,
                                                       uint64_t* least, size_t permutations) {
  for (size_t at = 0; at < permutations; at += kPermutationLanes) {
    uint64_t a[kPermutationLanes], b[kPermutationLanes], best[kPermutationLanes];
    for (size_t lane = 0; lane < kPermutationLanes; ++lane) {
      a[lane] = factors[at + lane];
      b[lane] = addends[at + lane];
      best[lane] = least[at + lane];
    }
    for (size_t i = 0; i < count; ++i) {
      const uint64_t hash = hashes[i];
      for (size_t lane = 0; lane < kPermutationLanes; ++lane) {
        const uint64_t x = hash * a[lane] + b[lane];
        const uint64_t folded = (x & kMersenne61) + (x >> 61);
        // At most 2^61 + 6; where it is the smaller one, the difference did not wrap.
        const uint64_t less = folded - kMersenne61;
        const uint64_t value = less < folded ? less : folded;
        best[lane] = value < best[lane] ? value : best[lane];
      }
    }
    for (size_t lane = 0; lane < kPermutationLanes; ++lane) least[at + lane] = best[lane];
  }
}

using LeastPermuted = void (*)(const uint64_t* hashes, size_t count, const uint64_t* factors,
                               const uint64_t* addends, uint64_t* least, size_t permutations);
/// The versions that this machine runs, the fastest one last.
std::vector<LeastPermuted> least_permuted_versions();

}  // namespace athanor::text
