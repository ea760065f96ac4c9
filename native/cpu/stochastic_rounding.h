// core/stochastic_rounding.h on vectors, bit for bit: a lane a Philox block.
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

struct WideProducts {
  VecU low, high;
};

ATHANOR_INLINE WideProducts multiply_wide(VecU a, uint32_t b) {
  const VecQ pairs = reinterpret_cast<VecQ>(a);
  const VecQ even = multiply_low_halves(pairs, b), odd = multiply_low_halves(pairs >> 32, b);
  constexpr uint64_t kLow = 0xffffffffu;
  return {reinterpret_cast<VecU>((even & kLow) | (odd << 32)),
          reinterpret_cast<VecU>((even >> 32) | (odd & ~kLow))};
}

/// core/philox.h for the blocks from `index` on, a lane each; they share the index's upper half.
ATHANOR_INLINE void philox_lanes(VecU (&words)[4], uint64_t seed, uint64_t stream, uint64_t index) {
  VecU lane;
  for (int i = 0; i < kLanes; ++i) lane[i] = static_cast<uint32_t>(i);
  VecU c0 = lane + static_cast<uint32_t>(index), c1 = VecU{} + static_cast<uint32_t>(index >> 32);
  VecU c2 = VecU{} + static_cast<uint32_t>(stream), c3 = VecU{} + static_cast<uint32_t>(stream >> 32);
  uint32_t k0 = static_cast<uint32_t>(seed), k1 = static_cast<uint32_t>(seed >> 32);
  for (int round = 0; round < kPhiloxRounds; ++round) {
    const WideProducts p0 = multiply_wide(c0, kPhiloxFactor0), p1 = multiply_wide(c2, kPhiloxFactor1);
    c0 = p1.high ^ c1 ^ k0;
    c1 = p1.low;
    c2 = p0.high ^ c3 ^ k1;
    c3 = p0.low;
    k0 += kPhiloxKeyStep0;
    k1 += kPhiloxKeyStep1;
  }
  words[0] = c0;
  words[1] = c1;
  words[2] = c2;
  words[3] = c3;
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

/// Those of elements [begin, begin + kLanes) of the group.
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
