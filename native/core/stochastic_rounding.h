// Rounding to bf16 whose error is 0 on average: the probability of rounding up is the fraction that
// is cut off. Updates far below half a unit in the last place then add up instead of being lost one
// by one (Gupta et al., "Deep learning with limited numerical precision", 2015). The random bits
// are a function of (seed, step, tensor, element), so any number of threads and any backend round
// alike, and a checkpoint needs the step count only.
#pragma once

#include "core/philox.h"

namespace athanor {

// A Philox block has eight halves of 16 bits. 16 blocks serve 128 elements together: element i of
// the 128 takes half i / 16 (a word's low half first) of block i % 16, so that vectors of up to 16
// lanes find their halves lane by lane, with no shuffle.
constexpr int kRoundingBlocks = 16;
constexpr int kRoundingHalves = 8;
constexpr int64_t kRoundingGroup = kRoundingBlocks * kRoundingHalves;

/// The stream of a tensor's bits at a step. No other use of Philox has the highest bit set.
ATHANOR_INLINE uint64_t rounding_stream(int64_t step, int64_t tensor) {
  return uint64_t{1} << 63 | static_cast<uint64_t>(step) << 32 | static_cast<uint64_t>(tensor);
}

/// One of the two neighbours of x in bf16; x itself where it is one. `random` is uniform in [0,
/// 2^16). NaN stays NaN, and infinity is the neighbour above the largest number.
ATHANOR_INLINE bf16 round_stochastically(float x, uint32_t random) {
  uint32_t word;
  std::memcpy(&word, &x, sizeof word);
  if ((word & 0x7fffffffu) > 0x7f800000u) return bf16{static_cast<uint16_t>((word >> 16) | 0x40u)};
  return bf16{static_cast<uint16_t>((word + random) >> 16)};
}

}  // namespace athanor
