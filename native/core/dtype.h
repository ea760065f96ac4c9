// Element types. bf16 is the upper half of an f32, so widening is a shift and narrowing rounds
// to nearest even.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>

namespace athanor {

enum class DType : uint8_t { kF32, kBF16, kI32, kU8 };

struct bf16 {
  uint16_t bits;
};

// Kernel files are compiled once per instruction set. An out-of-line copy of a function
// shared between them could end up with instructions that the machine lacks, so shared
// helpers are always inlined.
#ifdef __CUDACC__
#define ATHANOR_INLINE static inline __host__ __device__ __attribute__((always_inline))
#else
#define ATHANOR_INLINE static inline __attribute__((always_inline))
#endif

ATHANOR_INLINE size_t dtype_size(DType dtype) {
  switch (dtype) {
    case DType::kF32: return 4;
    case DType::kBF16: return 2;
    case DType::kI32: return 4;
    case DType::kU8: return 1;
  }
  return 0;
}

ATHANOR_INLINE const char* dtype_name(DType dtype) {
  switch (dtype) {
    case DType::kF32: return "f32";
    case DType::kBF16: return "bf16";
    case DType::kI32: return "i32";
    case DType::kU8: return "u8";
  }
  return "?";
}

ATHANOR_INLINE float to_float(float x) { return x; }

ATHANOR_INLINE float to_float(bf16 x) {
  const uint32_t word = static_cast<uint32_t>(x.bits) << 16;
  float value;
  std::memcpy(&value, &word, sizeof value);
  return value;
}

template <class T>
ATHANOR_INLINE T from_float(float x);

template <>
inline __attribute__((always_inline)) float from_float<float>(float x) {
  return x;
}

/// Rounds to nearest even; NaN stays NaN.
template <>
inline __attribute__((always_inline)) bf16 from_float<bf16>(float x) {
  uint32_t word;
  std::memcpy(&word, &x, sizeof word);
  if ((word & 0x7fffffffu) > 0x7f800000u) return bf16{static_cast<uint16_t>((word >> 16) | 0x40u)};
  word += 0x7fffu + ((word >> 16) & 1u);
  return bf16{static_cast<uint16_t>(word >> 16)};
}

template <class T>
constexpr DType dtype_of();
template <>
constexpr DType dtype_of<float>() {
  return DType::kF32;
}
template <>
constexpr DType dtype_of<bf16>() {
  return DType::kBF16;
}
template <>
constexpr DType dtype_of<int32_t>() {
  return DType::kI32;
}
template <>
constexpr DType dtype_of<uint8_t>() {
  return DType::kU8;
}

}  // namespace athanor
