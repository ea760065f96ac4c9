// XXH64 by Yann Collet's specification, with seed 0.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>

namespace athanor::text {
namespace xxhash {

inline constexpr uint64_t kPrime1 = 0x9E3779B185EBCA87ull;
inline constexpr uint64_t kPrime2 = 0xC2B2AE3D27D4EB4Full;
inline constexpr uint64_t kPrime3 = 0x165667B19E3779F9ull;
inline constexpr uint64_t kPrime4 = 0x85EBCA77C2B2AE63ull;
inline constexpr uint64_t kPrime5 = 0x27D4EB2F165667C5ull;

inline uint64_t rotate(uint64_t x, int bits) { return x << bits | x >> (64 - bits); }

/// A little-endian number: the specification's order, and that of every machine that is supported.
template <class Word>
inline uint64_t read(const uint8_t* at) {
  Word word;
  std::memcpy(&word, at, sizeof word);
  return word;
}

inline uint64_t round(uint64_t lane, uint64_t input) { return rotate(lane + input * kPrime2, 31) * kPrime1; }

inline uint64_t merge(uint64_t hash, uint64_t lane) { return (hash ^ round(0, lane)) * kPrime1 + kPrime4; }

/// The 32-byte blocks, of which there is at least one; `at` ends behind them.
inline uint64_t blocks(const uint8_t*& at, const uint8_t* end) {
  uint64_t lanes[4] = {kPrime1 + kPrime2, kPrime2, 0, 0 - kPrime1};
  for (; end - at >= 32; at += 32)
    for (int i = 0; i < 4; ++i) lanes[i] = round(lanes[i], read<uint64_t>(at + i * 8));
  uint64_t hash = rotate(lanes[0], 1) + rotate(lanes[1], 7) + rotate(lanes[2], 12) + rotate(lanes[3], 18);
  for (const uint64_t lane : lanes) hash = merge(hash, lane);
  return hash;
}

}  // namespace xxhash

inline uint64_t xxhash64(const void* data, size_t size) {
  using namespace xxhash;
  const uint8_t* at = static_cast<const uint8_t*>(data);
  const uint8_t* end = at + size;
  uint64_t hash = (size >= 32 ? blocks(at, end) : kPrime5) + size;
  for (; end - at >= 8; at += 8) hash = rotate(hash ^ round(0, read<uint64_t>(at)), 27) * kPrime1 + kPrime4;
  if (end - at >= 4) {
    hash = rotate(hash ^ read<uint32_t>(at) * kPrime1, 23) * kPrime2 + kPrime3;
    at += 4;
  }
  for (; at < end; ++at) hash = rotate(hash ^ *at * kPrime5, 11) * kPrime1;
  hash = (hash ^ hash >> 33) * kPrime2;
  hash = (hash ^ hash >> 29) * kPrime3;
  return hash ^ hash >> 32;
}

}  // namespace athanor::text
