// Box-Muller in double precision with plain additions, multiplications, divisions and square roots, which
// IEEE 754 rounds alike everywhere: a seed gives the same weights on every machine and instruction set. The
// loops are scalar code over small arrays that the compiler turns into vectors of doubles.
#include "kernels/random.h"

#include "core/philox.h"
#include "cpu/loops.h"

namespace athanor::cpu::ATHANOR_ISA {
namespace {

constexpr int kBatch = 256;  // elements at a time: 64 Philox blocks, and all arrays stay in L1

/// Natural logarithm of x in (0, 1] within 1e-14: x = m 2^e with m in [sqrt(1/2), sqrt 2), and the series of
/// log m = 2 artanh((m - 1) / (m + 1)).
ATHANOR_INLINE double log_unit(double x) {
  constexpr uint64_t kSqrtHalf = 0x3fe6a09e667f3bcdull;
  const auto bits = __builtin_bit_cast(uint64_t, x);
  const uint64_t shifted = bits - kSqrtHalf;
  const auto exponent = static_cast<double>(static_cast<int32_t>(static_cast<int64_t>(shifted) >> 52));
  const double m = __builtin_bit_cast(double, bits - (shifted & 0xfff0000000000000ull));
  const double s = (m - 1.0) / (m + 1.0);
  const double z = s * s;
  double p = 1.0 / 17.0;
  p = p * z + 1.0 / 15.0;
  p = p * z + 1.0 / 13.0;
  p = p * z + 1.0 / 11.0;
  p = p * z + 1.0 / 9.0;
  p = p * z + 1.0 / 7.0;
  p = p * z + 1.0 / 5.0;
  p = p * z + 1.0 / 3.0;
  p = p * z + 1.0;
  return exponent * 0.6931471805599453 + 2.0 * s * p;
}

/// sin and cos of a full turn times `turn` in [0, 1): Taylor series on an eighth of a turn either way, then
/// the quarter that it lies in.
ATHANOR_INLINE void sin_cos_turn(double turn, double* sine, double* cosine) {
  const double quarters = turn * 4.0;
  const auto quarter = static_cast<int32_t>(quarters + 0.5);
  const double x = (quarters - quarter) * 1.5707963267948966;
  const double z = x * x;
  double s = -1.0 / 1307674368000.0;
  s = s * z + 1.0 / 6227020800.0;
  s = s * z - 1.0 / 39916800.0;
  s = s * z + 1.0 / 362880.0;
  s = s * z - 1.0 / 5040.0;
  s = s * z + 1.0 / 120.0;
  s = s * z - 1.0 / 6.0;
  s = s * z * x + x;
  double c = 1.0 / 20922789888000.0;
  c = c * z - 1.0 / 87178291200.0;
  c = c * z + 1.0 / 479001600.0;
  c = c * z - 1.0 / 3628800.0;
  c = c * z + 1.0 / 40320.0;
  c = c * z - 1.0 / 720.0;
  c = c * z + 1.0 / 24.0;
  c = c * z - 0.5;
  c = c * z + 1.0;
  const bool swapped = (quarter & 1) != 0;
  const double a = swapped ? c : s;
  const double b = swapped ? s : c;
  *sine = (quarter & 2) != 0 ? -a : a;
  *cosine = ((quarter + 1) & 2) != 0 ? -b : b;
}

/// Random words for elements [begin, begin + kBatch), begin a multiple of 4.
ATHANOR_INLINE void fill_words(uint32_t* words, int64_t begin, uint64_t seed, uint64_t stream) {
  for (int i = 0; i < kBatch; i += 4) {
    const PhiloxBlock block = philox(seed, stream, static_cast<uint64_t>(begin + i) / 4);
    for (int j = 0; j < 4; ++j) words[i + j] = block.word[j];
  }
}

/// Elements 2 i and 2 i + 1 are the sine and cosine of one pair of words.
ATHANOR_INLINE void normal_batch(float* out, const uint32_t* words, double mean, double std) {
  double radius[kBatch / 2], turn[kBatch / 2], sine[kBatch / 2], cosine[kBatch / 2];
  for (int i = 0; i < kBatch / 2; ++i) {
    radius[i] = (static_cast<double>(words[2 * i]) + 0.5) * 0x1p-32;  // never 0, never 1
    turn[i] = static_cast<double>(words[2 * i + 1]) * 0x1p-32;
  }
  for (int i = 0; i < kBatch / 2; ++i) radius[i] = __builtin_sqrt(-2.0 * log_unit(radius[i])) * std;
  for (int i = 0; i < kBatch / 2; ++i) sin_cos_turn(turn[i], sine + i, cosine + i);
  for (int i = 0; i < kBatch / 2; ++i) {
    out[2 * i] = static_cast<float>(mean + radius[i] * sine[i]);
    out[2 * i + 1] = static_cast<float>(mean + radius[i] * cosine[i]);
  }
}

template <class Batch>
ATHANOR_INLINE void fill_batches(float* target, int64_t count, uint64_t seed, uint64_t stream,
                                 Batch&& batch) {
  for_chunks(count, [&](int64_t, int64_t begin, int64_t end) {
    uint32_t words[kBatch];
    float numbers[kBatch];
    for (int64_t at = begin; at < end; at += kBatch) {
      fill_words(words, at, seed, stream);
      batch(numbers, words);
      std::memcpy(target + at, numbers, static_cast<size_t>(smaller(kBatch, end - at)) * sizeof(float));
    }
  });
}

void normal(float* target, int64_t count, double mean, double std, uint64_t seed, uint64_t stream) {
  fill_batches(target, count, seed, stream,
               [=](float* out, const uint32_t* words) { normal_batch(out, words, mean, std); });
}

void uniform(float* target, int64_t count, float low, float high, uint64_t seed, uint64_t stream) {
  const double width = static_cast<double>(high) - static_cast<double>(low);
  const float largest =
      low < high ? __builtin_nextafterf(high, low) : low;  // rounding up may not give `high`
  fill_batches(target, count, seed, stream, [=](float* out, const uint32_t* words) {
    for (int i = 0; i < kBatch; ++i) {
      const auto x = static_cast<float>(static_cast<double>(words[i]) * 0x1p-32 * width + low);
      out[i] = x < largest ? x : largest;
    }
  });
}

}  // namespace

const RandomKernels random_kernels_table = {normal, uniform};

}  // namespace athanor::cpu::ATHANOR_ISA
