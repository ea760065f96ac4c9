// core/stochastic_rounding.h on vectors, bit for bit: a Philox block per lane.
#pragma once

#include "core/stochastic_rounding.h"
#include "cpu/simd.h"

namespace athanor::cpu::ATHANOR_ISA {

static_assert(kRoundingBlocks % kLanes == 0);

typedef uint64_t VecQ __attribute__((vector_size(kLanes * 4)));

/// The 64-bit products of the lower halves of x's elements with b.
ATHANOR_INLINE VecQ multiply_low_halves(VecQ x, uint32_t b) {
#if defined(__AVX512F__)
  const __m512i factor = _mm512_maskz_set1_epi32(kAllLanes, static_cast<int>(b));
  return reinterpret_cast<VecQ>(_mm512_maskz_mul_epu32(kAllDoubles, reinterpret_cast<__m512i>(x), factor));
#elif defined(__AVX2__)
  return reinterpret_cast<VecQ>(
      _mm256_mul_epu32(reinterpret_cast<__m256i>(x), _mm256_set1_epi32(static_cast<int>(b))));
#else
  return (x & 0xffffffffu) * uint64_t{b};
#endif
}

/// The rounds of core/philox.h on words in the lower halves of 64-bit lanes. The lower half of a
/// product is the next word in its place; nobody reads the upper halves.
ATHANOR_INLINE void philox_rounds(VecQ (&words)[4], uint64_t seed) {
  uint32_t k0 = static_cast<uint32_t>(seed), k1 = static_cast<uint32_t>(seed >> 32);
  for (int round = 0; round < kPhiloxRounds; ++round) {
    const VecQ p0 = multiply_low_halves(words[0], kPhiloxFactor0);
    const VecQ p1 = multiply_low_halves(words[2], kPhiloxFactor1);
    words[0] = (p1 >> 32) ^ words[1] ^ uint64_t { k0 };
    words[1] = p1;
    words[2] = (p0 >> 32) ^ words[3] ^ uint64_t { k1 };
    words[3] = p0;
    k0 += kPhiloxKeyStep0;
    k1 += kPhiloxKeyStep1;
  }
}

/// The words of the blocks from `index` on, one block per lane; they share the index's upper half.
ATHANOR_INLINE void philox_lanes(VecU (&words)[4], uint64_t seed, uint64_t stream, uint64_t index) {
  VecQ even[4], odd[4];
  for (int i = 0; i < kLanes / 2; ++i) even[0][i] = static_cast<uint32_t>(2 * i);
  even[0] += index;
  even[1] = VecQ{} + (index >> 32);
  even[2] = VecQ{} + stream;
  even[3] = VecQ{} + (stream >> 32);
  std::memcpy(odd, even, sizeof odd);
  odd[0] += 1;
  philox_rounds(even, seed);
  philox_rounds(odd, seed);
  for (int i = 0; i < 4; ++i)
    words[i] = reinterpret_cast<VecU>((even[i] & uint64_t{0xffffffff}) | (odd[i] << 32));
}

/// The random bits of a group of elements.
struct RoundingBits {
  VecU words[kRoundingBlocks / kLanes][4];
};

ATHANOR_INLINE RoundingBits rounding_bits(uint64_t seed, uint64_t stream, int64_t group) {
  RoundingBits bits;
  for (int block = 0; block < kRoundingBlocks; block += kLanes) {
    const auto index = static_cast<uint64_t>(group * kRoundingBlocks + block);
    philox_lanes(bits.words[block / kLanes], seed, stream, index);
  }
  return bits;
}

/// The bits of elements [begin, begin + kLanes) of the group.
ATHANOR_INLINE VecU rounding_lanes(const RoundingBits& bits, int64_t begin) {
  const int64_t half = begin / kRoundingBlocks;
  const VecU word = bits.words[begin % kRoundingBlocks / kLanes][half / 2];
  return (word >> static_cast<uint32_t>(half % 2 * 16)) & 0xffffu;
}

ATHANOR_INLINE VecH narrow_stochastically(VecF v, VecU random) {
  const VecU word = reinterpret_cast<VecU>(v);
  const VecU rounded = (word + random) >> 16;
  const VecU quiet = (word >> 16) | 0x40u;
  const VecI nan = (word & 0x7fffffffu) > 0x7f800000u;
  return __builtin_convertvector(nan ? quiet : rounded, VecH);
}

}  // namespace athanor::cpu::ATHANOR_ISA
