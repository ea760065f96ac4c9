// The vector type that every CPU kernel is written in. Kernel files are compiled once per
// instruction set with ATHANOR_ISA set; everything here is always inlined and lives in that
// namespace, so no two sets can mix.
//
// A function of one element gives the same bits in a full vector and in a partial one: partial
// loads fill the rest with a given value and run the same instructions. Rows are independent of
// their neighbours for that reason.
#pragma once

#if defined(__x86_64__)
#include <immintrin.h>
#endif

#include <cstdint>
#include <cstring>

#include "core/dtype.h"
#include "core/integers.h"

#ifndef ATHANOR_ISA
#error "simd.h is for kernel files, which are compiled per instruction set"
#endif

namespace athanor::cpu::ATHANOR_ISA {

#if defined(__AVX512F__)
constexpr int kLanes = 16;
#elif defined(__AVX2__)
constexpr int kLanes = 8;
#else
constexpr int kLanes = 4;
#endif

typedef float VecF __attribute__((vector_size(kLanes * 4)));
typedef int32_t VecI __attribute__((vector_size(kLanes * 4)));
typedef uint32_t VecU __attribute__((vector_size(kLanes * 4)));
typedef uint16_t VecH __attribute__((vector_size(kLanes * 2)));

typedef double VecD __attribute__((vector_size(kLanes * 4)));

ATHANOR_INLINE VecF set1(float x) { return x - VecF{}; }
ATHANOR_INLINE VecF zero() { return VecF{}; }
ATHANOR_INLINE VecI as_int(VecF x) { return reinterpret_cast<VecI>(x); }
ATHANOR_INLINE VecF as_float(VecI x) { return reinterpret_cast<VecF>(x); }

ATHANOR_INLINE VecF load(const float* p) {
  VecF v;
  std::memcpy(&v, p, sizeof v);
  return v;
}

#if defined(__AVX512F__)
// For the masked forms of intrinsics: GCC 12 warns about its own source of the plain ones.
constexpr __mmask16 kAllLanes = 0xffff;
constexpr __mmask8 kAllDoubles = 0xff;
#endif

/// Lanes of bf16 as f32.
ATHANOR_INLINE VecF widen(VecH h) {
#if defined(__AVX512F__)
  // GCC 12 makes five instructions of the conversion below at this width.
  const __m512i word = _mm512_maskz_cvtepu16_epi32(kAllLanes, reinterpret_cast<__m256i>(h));
  return reinterpret_cast<VecF>(reinterpret_cast<VecU>(word) << 16);
#else
  return reinterpret_cast<VecF>(__builtin_convertvector(h, VecU) << 16);
#endif
}

ATHANOR_INLINE VecF load(const bf16* p) {
  VecH h;
  std::memcpy(&h, p, sizeof h);
  return widen(h);
}

ATHANOR_INLINE void store(float* p, VecF v) { std::memcpy(p, &v, sizeof v); }

/// Rounds to nearest even (AVX-512-BF16 also flushes subnormals to zero).
ATHANOR_INLINE VecH narrow(VecF v) {
#if defined(__AVX512BF16__)
  return reinterpret_cast<VecH>(_mm512_cvtneps_pbh(v));
#else
  const VecU word = reinterpret_cast<VecU>(v);
  const VecU rounded = (word + 0x7fffu + ((word >> 16) & 1u)) >> 16;
  const VecU quiet = (word >> 16) | 0x40u;
  const VecI nan = (word & 0x7fffffffu) > 0x7f800000u;
  return __builtin_convertvector(nan ? quiet : rounded, VecH);
#endif
}

ATHANOR_INLINE void store(bf16* p, VecH h) { std::memcpy(p, &h, sizeof h); }
ATHANOR_INLINE void store(bf16* p, VecF v) { store(p, narrow(v)); }

/// The first `count` elements (0 to kLanes), the rest `fill`.
template <class T>
ATHANOR_INLINE VecF load_partial(const T* p, int count, float fill = 0.0f) {
#if defined(__AVX512F__)
  const auto mask = static_cast<__mmask16>((1u << count) - 1u);
  if constexpr (sizeof(T) == sizeof(float)) {
    return _mm512_mask_loadu_ps(set1(fill), mask, p);
  } else {
    const VecF v = widen(reinterpret_cast<VecH>(_mm256_maskz_loadu_epi16(mask, p)));
    return _mm512_mask_mov_ps(set1(fill), mask, v);
  }
#else
  T buffer[kLanes] = {};
  std::memcpy(buffer, p, static_cast<size_t>(count) * sizeof(T));
  VecF v = load(buffer);
  for (int i = 0; i < kLanes; ++i) v[i] = i < count ? v[i] : fill;
  return v;
#endif
}

ATHANOR_INLINE void store_partial(float* p, VecF v, int count) {
#if defined(__AVX512F__)
  _mm512_mask_storeu_ps(p, static_cast<__mmask16>((1u << count) - 1u), v);
#else
  std::memcpy(p, &v, static_cast<size_t>(count) * sizeof(float));
#endif
}
ATHANOR_INLINE void store_partial(bf16* p, VecH h, int count) {
#if defined(__AVX512F__)
  _mm256_mask_storeu_epi16(p, static_cast<__mmask16>((1u << count) - 1u), reinterpret_cast<__m256i>(h));
#else
  std::memcpy(p, &h, static_cast<size_t>(count) * sizeof(bf16));
#endif
}
ATHANOR_INLINE void store_partial(bf16* p, VecF v, int count) { store_partial(p, narrow(v), count); }

/// The lanes of one vector in double precision.
struct VecDPair {
  VecD low, high;
};

ATHANOR_INLINE VecDPair to_double(VecF v) {
#if defined(__AVX512F__)
  const __m256 low = __builtin_shufflevector(v, v, 0, 1, 2, 3, 4, 5, 6, 7);
  const __m256 high = __builtin_shufflevector(v, v, 8, 9, 10, 11, 12, 13, 14, 15);
  return {_mm512_maskz_cvtps_pd(kAllDoubles, low), _mm512_maskz_cvtps_pd(kAllDoubles, high)};
#elif defined(__AVX2__)
  return {_mm256_cvtps_pd(_mm256_castps256_ps128(v)), _mm256_cvtps_pd(_mm256_extractf128_ps(v, 1))};
#else
  VecDPair out;
  for (int i = 0; i < kLanes / 2; ++i) {
    out.low[i] = v[i];
    out.high[i] = v[i + kLanes / 2];
  }
  return out;
#endif
}

/// a * b + c, rounded once where the instruction set has it.
ATHANOR_INLINE VecF fma(VecF a, VecF b, VecF c) {
#if defined(__AVX512F__)
  return _mm512_fmadd_ps(a, b, c);
#elif defined(__FMA__)
  return _mm256_fmadd_ps(a, b, c);
#else
  return a * b + c;
#endif
}

/// The second operand where either is NaN.
ATHANOR_INLINE VecF max(VecF a, VecF b) {
#if defined(__AVX512F__)
  return _mm512_maskz_max_ps(kAllLanes, a, b);
#elif defined(__AVX2__)
  return _mm256_max_ps(a, b);
#else
  return a > b ? a : b;
#endif
}
ATHANOR_INLINE VecF min(VecF a, VecF b) {
#if defined(__AVX512F__)
  return _mm512_maskz_min_ps(kAllLanes, a, b);
#elif defined(__AVX2__)
  return _mm256_min_ps(a, b);
#else
  return a < b ? a : b;
#endif
}
ATHANOR_INLINE VecF abs(VecF a) { return as_float(as_int(a) & 0x7fffffff); }

ATHANOR_INLINE VecF sqrt(VecF a) {
#if defined(__AVX512F__)
  return _mm512_maskz_sqrt_ps(kAllLanes, a);
#elif defined(__AVX2__)
  return _mm256_sqrt_ps(a);
#else
  for (int i = 0; i < kLanes; ++i) a[i] = __builtin_sqrtf(a[i]);
  return a;
#endif
}

/// v with lane i + half in lane i; the other lanes are undefined.
template <int half>
ATHANOR_INLINE VecF upper_half(VecF v) {
  VecI from;
  for (int i = 0; i < kLanes; ++i) from[i] = (i + half) % kLanes;
  return __builtin_shuffle(v, from);
}

template <int half, class Combine>
ATHANOR_INLINE VecF reduce_tree(VecF v, Combine combine) {
  if constexpr (half == 0) {
    return v;
  } else {
    return reduce_tree<half / 2>(combine(v, upper_half<half>(v)), combine);
  }
}

/// Whether any lane of a is at least the lane of b.
ATHANOR_INLINE bool any_at_least(VecF a, VecF b) {
#if defined(__AVX512F__)
  return _mm512_cmp_ps_mask(a, b, _CMP_GE_OQ) != 0;
#elif defined(__AVX2__)
  return _mm256_movemask_ps(_mm256_cmp_ps(a, b, _CMP_GE_OQ)) != 0;
#else
  for (int i = 0; i < kLanes; ++i)
    if (a[i] >= b[i]) return true;
  return false;
#endif
}

/// Sum of the lanes as a fixed binary tree (lane i with lane i + half, halving).
ATHANOR_INLINE float reduce_add(VecF v) {
  return reduce_tree<kLanes / 2>(v, [](VecF a, VecF b) __attribute__((always_inline)) { return a + b; })[0];
}

ATHANOR_INLINE float reduce_max(VecF v) {
  return reduce_tree<kLanes / 2>(v,
                                 [](VecF a, VecF b) __attribute__((always_inline)) { return max(a, b); })[0];
}

/// Rounds to the nearest integer, |x| < 2^22: adding and taking away 1.5 * 2^23 leaves
/// no fraction bits.
ATHANOR_INLINE VecF round_small(VecF x) {
  const VecF magic = set1(12582912.0f);
  return (x + magic) - magic;
}

/// 2^n for integral n in [-126, 127], built in the exponent bits.
ATHANOR_INLINE VecF exp2_integral(VecF n) { return as_float((__builtin_convertvector(n, VecI) + 127) << 23); }

/// e^x within 2 ulp; 0 below -86.6, where the result nears the subnormals, inf above 88.73; NaN
/// stays NaN. x = n ln2 + r, |r| <= ln2 / 2, and a degree-6 polynomial (Cephes expf) for e^r; ln2
/// is split in two so that r keeps its low bits.
ATHANOR_INLINE VecF exp(VecF x) {
  const VecF low = set1(-86.6f);
  const VecF clamped = min(set1(89.0f), max(low, x));  // in this order NaN passes through
  const VecF n = round_small(clamped * set1(1.44269504f));
  VecF r = fma(n, set1(-0.693359375f), clamped);
  r = fma(n, set1(2.12194440e-4f), r);
  VecF p = set1(1.9875691500e-4f);
  p = fma(p, r, set1(1.3981999507e-3f));
  p = fma(p, r, set1(8.3334519073e-3f));
  p = fma(p, r, set1(4.1665795894e-2f));
  p = fma(p, r, set1(1.6666665459e-1f));
  p = fma(p, r, set1(5.0000001201e-1f));
  p = fma(p, r * r, r) + set1(1.0f);
#if defined(__AVX512F__)
  const __mmask16 kept = _mm512_cmp_ps_mask(x, low, _CMP_NLT_UQ);
  return _mm512_maskz_scalef_ps(kept, p, n);
#else
  const VecF half = p * exp2_integral(n - set1(1.0f));  // n may be 128, beyond the largest exponent
  return x < low ? zero() : half + half;
#endif
}

/// 1 / (1 + e^-x)
ATHANOR_INLINE VecF sigmoid(VecF x) { return set1(1.0f) / (set1(1.0f) + exp(zero() - x)); }

/// tanh x = 1 - 2 / (e^2x + 1); near 0, where that cancels, an odd polynomial (Cephes tanhf).
ATHANOR_INLINE VecF tanh(VecF x) {
  const VecF magnitude = abs(x);
  const VecF e = exp(magnitude + magnitude);
  VecF big = set1(1.0f) - set1(2.0f) / (e + set1(1.0f));
  big = as_float(as_int(big) | (as_int(x) & static_cast<int32_t>(0x80000000)));
  const VecF z = x * x;
  VecF p = set1(-5.70498872745e-3f);
  p = fma(p, z, set1(2.06390887954e-2f));
  p = fma(p, z, set1(-5.37397155531e-2f));
  p = fma(p, z, set1(1.33314422036e-1f));
  p = fma(p, z, set1(-3.33332819422e-1f));
  const VecF small = fma(p * z, x, x);
  return magnitude < set1(0.625f) ? small : big;
}

/// acc + a.lo * b.lo + a.hi * b.hi, where every 32-bit lane holds a pair of bf16. One instruction
/// on AVX-512-BF16, two fused multiply-adds (low half first) elsewhere.
ATHANOR_INLINE VecF dot_pairs(VecF acc, VecU a, VecU b) {
#if defined(__AVX512BF16__)
  return _mm512_dpbf16_ps(acc, reinterpret_cast<__m512bh>(a), reinterpret_cast<__m512bh>(b));
#else
  const VecF lo = fma(reinterpret_cast<VecF>(a << 16), reinterpret_cast<VecF>(b << 16), acc);
  return fma(reinterpret_cast<VecF>(a & 0xffff0000u), reinterpret_cast<VecF>(b & 0xffff0000u), lo);
#endif
}

}  // namespace athanor::cpu::ATHANOR_ISA
