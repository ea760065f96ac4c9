// Box-Muller in double precision from additions, multiplications, divisions and square roots alone.
// IEEE 754 rounds these alike everywhere, so a seed gives the same weights on every machine,
// instruction set and device. Compile it without contraction into fused multiply-adds.
#pragma once

#include <cstdint>

#include "core/dtype.h"

namespace athanor {

/// Natural logarithm of x in (0, 1] within 1e-14: x = m 2^e with m in [sqrt(1/2), sqrt 2), and the
/// series of log m = 2 artanh((m - 1) / (m + 1)).
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

/// sin and cos of a full turn times `turn` in [0, 1): Taylor series on an eighth of a turn either
/// way, then the quarter that it lies in.
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

}  // namespace athanor
