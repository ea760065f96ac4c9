// The code of each type of block: `write` and `read` for one block.
#pragma once

#include <cstdint>
#include <cstring>

#include "gguf/half.h"

namespace athanor::gguf {

using WriteBlock = void (*)(const float* x, uint8_t* block);
using ReadBlock = void (*)(const uint8_t* block, float* y);

inline float half_at(const uint8_t* place) {
  uint16_t half;
  std::memcpy(&half, place, sizeof half);
  return from_half(half);
}

inline void put_half(uint8_t* place, float value) {
  const uint16_t half = to_half(value);
  std::memcpy(place, &half, sizeof half);
}

/// To the nearest whole number, ties to even, for magnitudes below 2^22.
inline float nearest(float x) { return (x + 12582912.0f) - 12582912.0f; }

void write_q4_0(const float* x, uint8_t* block);
void write_q5_0(const float* x, uint8_t* block);
void write_q8_0(const float* x, uint8_t* block);
void write_q4_k(const float* x, uint8_t* block);
void write_q6_k(const float* x, uint8_t* block);

void read_q4_0(const uint8_t* block, float* y);
void read_q4_1(const uint8_t* block, float* y);
void read_q5_0(const uint8_t* block, float* y);
void read_q5_1(const uint8_t* block, float* y);
void read_q8_0(const uint8_t* block, float* y);
void read_q4_k(const uint8_t* block, float* y);
void read_q5_k(const uint8_t* block, float* y);
void read_q6_k(const uint8_t* block, float* y);

}  // namespace athanor::gguf
