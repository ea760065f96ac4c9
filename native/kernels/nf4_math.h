// The numbers of NF4: 16 quantiles of the normal distribution, scaled to [-1, 1]. Code c stands for
// nf4_value(c), and a number gets the code that counts the bounds below it. Functions, since code
// for GPUs cannot index the constants of the host.
#pragma once

#include "core/dtype.h"

namespace athanor {

ATHANOR_INLINE constexpr float nf4_value(int code) {
  switch (code) {
    case 0: return -1.0f;
    case 1: return -0.6961928009986877f;
    case 2: return -0.5250730514526367f;
    case 3: return -0.39491748809814453f;
    case 4: return -0.28444138169288635f;
    case 5: return -0.18477343022823334f;
    case 6: return -0.09105003625154495f;
    case 7: return 0.0f;
    case 8: return 0.07958029955625534f;
    case 9: return 0.16093020141124725f;
    case 10: return 0.24611230194568634f;
    case 11: return 0.33791524171829224f;
    case 12: return 0.44070982933044434f;
    case 13: return 0.5626170039176941f;
    case 14: return 0.7229568362236023f;
    default: return 1.0f;
  }
}

constexpr int kNf4Bounds = 15;
/// The code of 0, which also fills the last byte of an odd count.
constexpr int kNf4Zero = 7;

/// The middle between a value and the next one.
ATHANOR_INLINE constexpr float nf4_bound(int index) { return (nf4_value(index) + nf4_value(index + 1)) / 2; }

/// The smallest divisor, for a block of zeros.
constexpr float kNf4SmallestDivisor = 1e-38f;

}  // namespace athanor
