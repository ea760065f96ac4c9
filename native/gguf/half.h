// f16, in which blocks keep their scales: 1 bit of sign, 5 of exponent, 10 of mantissa.
#pragma once

#include <bit>
#include <cstdint>

namespace athanor::gguf {

inline float from_half(uint16_t half) {
  const uint32_t sign = static_cast<uint32_t>(half & 0x8000u) << 16;
  const uint32_t rest = half & 0x7fffu;
  if (rest >= 0x7c00u) return std::bit_cast<float>(sign | 0x7f800000u | (rest & 0x3ffu) << 13);
  if (rest >= 0x400u) return std::bit_cast<float>(sign | ((rest << 13) + 0x38000000u));
  const float small = static_cast<float>(rest) * 0x1p-24f;
  return sign != 0 ? -small : small;
}

/// value / 2^shift, to nearest, ties to even.
inline uint32_t rounded_shift(uint32_t value, uint32_t shift) {
  const uint32_t whole = value >> shift, rest = value & ((1u << shift) - 1), half = 1u << (shift - 1);
  return whole + (rest > half || (rest == half && (whole & 1u) != 0) ? 1 : 0);
}

/// Rounded to nearest, ties to even. From 65,520 on it is infinite.
inline uint16_t to_half(float value) {
  const uint32_t word = std::bit_cast<uint32_t>(value);
  const uint32_t sign = (word >> 16) & 0x8000u, magnitude = word & 0x7fffffffu;
  uint32_t half = 0;
  if (magnitude > 0x7f800000u) {
    half = 0x7e00u;
  } else if (magnitude >= 0x477ff000u) {
    half = 0x7c00u;
  } else if (magnitude >= 0x38800000u) {
    half = rounded_shift(magnitude - 0x38000000u, 13);
  } else if (const uint32_t shift = 126 - (magnitude >> 23); shift <= 24) {
    half = rounded_shift((magnitude & 0x7fffffu) | 0x800000u, shift);
  }
  return static_cast<uint16_t>(sign | half);
}

}  // namespace athanor::gguf
