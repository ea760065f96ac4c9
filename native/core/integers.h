// Integer arithmetic that operations and kernels share. Always inlined, so that kernel files
// may use it.
#pragma once

#include <cstdint>

#include "core/dtype.h"

namespace athanor {

template <class T>
ATHANOR_INLINE constexpr T smaller(T a, T b) {
  return b < a ? b : a;
}
template <class T>
ATHANOR_INLINE constexpr T larger(T a, T b) {
  return a < b ? b : a;
}
ATHANOR_INLINE constexpr int64_t ceil_divide(int64_t a, int64_t b) { return (a + b - 1) / b; }
/// The smallest multiple of `step` that is at least `value`.
ATHANOR_INLINE constexpr int64_t round_up(int64_t value, int64_t step) {
  return ceil_divide(value, step) * step;
}

}  // namespace athanor
