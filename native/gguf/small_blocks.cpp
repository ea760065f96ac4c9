// Blocks of 32 weights with one scale: q4_0, q4_1, q5_0, q5_1 and q8_0.
#include <algorithm>
#include <cmath>
#include <cstring>

#include "gguf/codecs.h"

namespace athanor::gguf {
namespace {

constexpr int kWeights = 32, kHalf = 16;

/// The weight of the largest magnitude; the first of several.
float largest(const float* x) {
  float most = 0.0f, value = 0.0f;
  for (int i = 0; i < kWeights; ++i) {
    if (std::fabs(x[i]) > most) {
      most = std::fabs(x[i]);
      value = x[i];
    }
  }
  return value;
}

/// A whole number from 0 to `top`, for the weight x in units of 1 / inverse above the middle.
int level(float x, float inverse, float middle, int top) {
  return std::min(top, static_cast<int>(static_cast<int8_t>(x * inverse + middle)));
}

uint32_t bits_at(const uint8_t* place) {
  uint32_t bits;
  std::memcpy(&bits, place, sizeof bits);
  return bits;
}

/// Levels of 4 bits: i and i + 16 share a byte. `high` has the fifth bit of each.
template <class Value>
void read_nibbles(const uint8_t* levels, uint32_t high, float* y, const Value& value) {
  for (int i = 0; i < kHalf; ++i) {
    const int upper[] = {static_cast<int>(high >> i & 1u) << 4, static_cast<int>(high >> (i + kHalf) & 1u)
                                                                    << 4};
    y[i] = value((levels[i] & 15) | upper[0]);
    y[i + kHalf] = value((levels[i] >> 4) | upper[1]);
  }
}

}  // namespace

// The weight of the largest magnitude becomes -8 times the scale.
void write_q4_0(const float* x, uint8_t* block) {
  const float scale = largest(x) / -8.0f, inverse = scale != 0.0f ? 1.0f / scale : 0.0f;
  put_half(block, scale);
  for (int i = 0; i < kHalf; ++i) {
    const int low = level(x[i], inverse, 8.5f, 15), high = level(x[i + kHalf], inverse, 8.5f, 15);
    block[2 + i] = static_cast<uint8_t>(low | high << 4);
  }
}

// The weight of the largest magnitude becomes -16 times the scale.
void write_q5_0(const float* x, uint8_t* block) {
  const float scale = largest(x) / -16.0f, inverse = scale != 0.0f ? 1.0f / scale : 0.0f;
  put_half(block, scale);
  uint32_t fifth = 0;
  for (int i = 0; i < kHalf; ++i) {
    const int low = level(x[i], inverse, 16.5f, 31), high = level(x[i + kHalf], inverse, 16.5f, 31);
    block[6 + i] = static_cast<uint8_t>((low & 15) | (high & 15) << 4);
    fifth |= static_cast<uint32_t>(low >> 4) << i | static_cast<uint32_t>(high >> 4) << (i + kHalf);
  }
  std::memcpy(block + 2, &fifth, sizeof fifth);
}

// The weight of the largest magnitude becomes 127 or -127.
void write_q8_0(const float* x, uint8_t* block) {
  const float scale = std::fabs(largest(x)) / 127.0f, inverse = scale != 0.0f ? 1.0f / scale : 0.0f;
  put_half(block, scale);
  for (int i = 0; i < kWeights; ++i) {
    block[2 + i] = static_cast<uint8_t>(static_cast<int8_t>(std::round(x[i] * inverse)));
  }
}

void read_q4_0(const uint8_t* block, float* y) {
  const float scale = half_at(block);
  read_nibbles(block + 2, 0, y, [&](int q) { return static_cast<float>(q - 8) * scale; });
}

void read_q4_1(const uint8_t* block, float* y) {
  const float scale = half_at(block), least = half_at(block + 2);
  read_nibbles(block + 4, 0, y, [&](int q) { return static_cast<float>(q) * scale + least; });
}

void read_q5_0(const uint8_t* block, float* y) {
  const float scale = half_at(block);
  read_nibbles(block + 6, bits_at(block + 2), y, [&](int q) { return static_cast<float>(q - 16) * scale; });
}

void read_q5_1(const uint8_t* block, float* y) {
  const float scale = half_at(block), least = half_at(block + 2);
  read_nibbles(block + 8, bits_at(block + 4), y,
               [&](int q) { return static_cast<float>(q) * scale + least; });
}

void read_q8_0(const uint8_t* block, float* y) {
  const float scale = half_at(block);
  for (int i = 0; i < kWeights; ++i) y[i] = static_cast<float>(static_cast<int8_t>(block[2 + i])) * scale;
}

}  // namespace athanor::gguf
