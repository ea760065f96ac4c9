// A memory-mapped range of token ids in a file. The map is private and read-only; pages come in as
// they are touched. The file stays open, so that each read can first ask whether it is still as
// long as its map: touching a page beyond the end would kill the process.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

namespace athanor::text {

struct ShardLayout {
  /// Where the ids begin, in bytes.
  uint64_t offset;
  /// Ids.
  uint64_t count;
  /// Bytes per id, 2 or 4, little-endian and unsigned.
  int width;
  /// Every id must be below it.
  uint32_t vocab_size;
};

class ShardReader {
 public:
  /// Throws ERR_ARGUMENT, ERR_FILE_MISSING, ERR_IO, or ERR_FILE_DAMAGED when the file is shorter
  /// than its layout.
  ShardReader(const std::string& path, const ShardLayout& layout);
  ~ShardReader();
  ShardReader(const ShardReader&) = delete;
  ShardReader& operator=(const ShardReader&) = delete;

  /// Copies ids [begin, begin + out.size()). Throws ERR_ARGUMENT beyond the end, and
  /// ERR_FILE_DAMAGED for an id outside of the vocabulary and for a file that was cut short since
  /// it was opened.
  void read(uint64_t begin, std::span<int32_t> out) const;

 private:
  uint64_t file_bytes() const;
  uint64_t wanted_bytes() const {
    return layout_.offset + layout_.count * static_cast<uint64_t>(layout_.width);
  }

  std::string path_;
  ShardLayout layout_;
  int file_ = -1;
  const std::byte* map_ = nullptr;
};

}  // namespace athanor::text
