// A memory-mapped range of token ids in a file. The map is private and read-only; pages come in as they are
// touched.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

namespace athanor::text {

class ShardReader {
 public:
  /// `count` ids of `width` bytes (2 or 4, little-endian, unsigned) from `offset`. Throws ERR_FILE_MISSING,
  /// ERR_IO, or ERR_FILE_DAMAGED when the file is shorter than that.
  ShardReader(const std::string& path, uint64_t offset, uint64_t count, int width);
  ~ShardReader();
  ShardReader(const ShardReader&) = delete;
  ShardReader& operator=(const ShardReader&) = delete;

  uint64_t size() const { return count_; }
  /// Copies ids [begin, begin + out.size()). Throws ERR_ARGUMENT beyond the end.
  void read(uint64_t begin, std::span<int32_t> out) const;

 private:
  const std::byte* map_ = nullptr;
  size_t map_bytes_ = 0;
  uint64_t offset_, count_;
  int width_;
};

}  // namespace athanor::text
