#pragma once

#include "cpu/simd.h"

namespace athanor::cpu::ATHANOR_ISA {

/// The largest absolute value, NaN if any is NaN. Without their sign, floats order as integers,
/// and NaN is above infinity.
template <class T>
ATHANOR_INLINE float largest_magnitude(const T* x, int64_t count) {
  VecI most{};
  const auto take = [&](VecF v) __attribute__((always_inline)) {
    const VecI bits = as_int(abs(v));
    most = bits > most ? bits : most;
  };
  int64_t i = 0;
  for (; i + kLanes <= count; i += kLanes) take(load(x + i));
  if (i < count) take(load_partial(x + i, static_cast<int>(count - i)));
  int32_t found = 0;
  for (int lane = 0; lane < kLanes; ++lane) found = larger<int32_t>(found, most[lane]);
  float value;
  std::memcpy(&value, &found, sizeof value);
  return value;
}

}  // namespace athanor::cpu::ATHANOR_ISA
