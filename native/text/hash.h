// One 64-bit hash for byte strings and for pairs of token ids: multiply to 128 bits and fold. The
// order of a table that is keyed by it never reaches a result.
#pragma once

#include <cstdint>
#include <cstring>
#include <vector>

namespace athanor::text {

inline uint64_t fold_multiply(uint64_t a, uint64_t b) {
  const unsigned __int128 product = static_cast<unsigned __int128>(a) * b;
  return static_cast<uint64_t>(product) ^ static_cast<uint64_t>(product >> 64);
}

inline constexpr uint64_t kHashSeed = 0x9E3779B97F4A7C15ull;
inline constexpr uint64_t kHashStep = 0xD1342543DE82EF95ull;

/// Up to 16 bytes as two words; with the length they are the bytes, exactly.
struct ShortKey {
  uint64_t low;
  uint64_t high;
};

inline ShortKey short_key(const uint8_t* data, size_t size) {
  ShortKey key{0, 0};
  if (size >= 8) {
    std::memcpy(&key.low, data, 8);
    std::memcpy(&key.high, data + size - 8, 8);
  } else if (size >= 4) {
    uint32_t first = 0;
    uint32_t last = 0;
    std::memcpy(&first, data, 4);
    std::memcpy(&last, data + size - 4, 4);
    key.low = static_cast<uint64_t>(first) << 32 | last;
  } else if (size > 0) {
    key.low =
        static_cast<uint64_t>(data[0]) << 16 | static_cast<uint64_t>(data[size / 2]) << 8 | data[size - 1];
  }
  return key;
}

inline uint64_t hash_short(ShortKey key, size_t size) {
  return fold_multiply(key.low ^ kHashSeed ^ (static_cast<uint64_t>(size) << 56), key.high ^ kHashStep);
}

inline uint64_t hash_bytes(const uint8_t* data, size_t size) {
  if (size <= 16) return hash_short(short_key(data, size), size);
  uint64_t hash = kHashSeed ^ size;
  const uint8_t* last = data + size - 16;
  for (const uint8_t* p = data; p < last; p += 16) {
    const ShortKey key = short_key(p, 16);
    hash = fold_multiply(key.low ^ hash, key.high ^ kHashStep);
  }
  const ShortKey key = short_key(last, 16);
  return fold_multiply(key.low ^ hash, key.high ^ kHashStep);
}

inline uint64_t pair_key(uint32_t left, uint32_t right) { return static_cast<uint64_t>(left) << 32 | right; }

/// Pair of token ids -> Value, open addressing, at most half full.
template <class Value>
class PairMap {
 public:
  explicit PairMap(size_t expected = 0) { rehash(expected * 2 + 16); }

  const Value* find(uint64_t key) const {
    for (size_t i = slot(key);; i = (i + 1) & mask_) {
      if (slots_[i].key == key) return &slots_[i].value;
      if (slots_[i].key == kEmpty) return nullptr;
    }
  }

  /// False, and nothing changed, when the key is there already.
  bool insert(uint64_t key, const Value& value) {
    if ((size_ + 1) * 2 > slots_.size()) rehash(slots_.size() * 2);
    size_t i = slot(key);
    for (; slots_[i].key != kEmpty; i = (i + 1) & mask_)
      if (slots_[i].key == key) return false;
    slots_[i] = {key, value};
    ++size_;
    return true;
  }

  size_t bytes() const { return slots_.size() * sizeof(Slot); }

 private:
  // No pair of valid ids: ids are below 2^31.
  static constexpr uint64_t kEmpty = ~uint64_t{0};
  struct Slot {
    uint64_t key = kEmpty;
    Value value{};
  };

  size_t slot(uint64_t key) const { return (key * kHashStep ^ (key * kHashSeed >> 32)) >> shift_; }

  void rehash(size_t wanted) {
    std::vector<Slot> old = std::move(slots_);
    int bits = 4;
    while ((size_t{1} << bits) < wanted) ++bits;
    shift_ = 64 - bits;
    mask_ = (size_t{1} << bits) - 1;
    slots_.assign(mask_ + 1, Slot{});
    for (const Slot& s : old) {
      if (s.key == kEmpty) continue;
      size_t i = slot(s.key);
      while (slots_[i].key != kEmpty) i = (i + 1) & mask_;
      slots_[i] = s;
    }
  }

  std::vector<Slot> slots_;
  size_t size_ = 0;
  size_t mask_ = 0;
  int shift_ = 0;
};

}  // namespace athanor::text
