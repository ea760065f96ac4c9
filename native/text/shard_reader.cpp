#include "text/shard_reader.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "core/error.h"

namespace athanor::text {
namespace {
// Larger than any file, and too small to overflow in the sums below.
constexpr uint64_t kMostBytes = uint64_t{1} << 56;

/// The largest id, so that the loop has no branch and the compiler can vectorise it.
template <class Id>
uint32_t widen_ids(const std::byte* source, std::span<int32_t> out) {
  Id largest = 0;
  for (size_t i = 0; i < out.size(); ++i) {
    Id id;
    std::memcpy(&id, source + i * sizeof(Id), sizeof(Id));
    largest = std::max(largest, id);
    out[i] = static_cast<int32_t>(id);
  }
  return largest;
}

}  // namespace

ShardReader::ShardReader(const std::string& path, const ShardLayout& layout) : path_(path), layout_(layout) {
  expect(layout.width == 2 || layout.width == 4, ErrorCode::kArgument,
         "expected ids of 2 or 4 bytes but got ", layout.width);
  expect(layout.offset < kMostBytes && layout.count > 0 && layout.count < kMostBytes / 4,
         ErrorCode::kArgument, "expected a range of ids but got ", layout.count, " from byte ",
         layout.offset);
  file_ = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (file_ < 0) {
    const ErrorCode code = errno == ENOENT ? ErrorCode::kFileMissing : ErrorCode::kIo;
    fail(code, "cannot open ", path, ": ", std::strerror(errno));
  }
  try {
    const uint64_t bytes = file_bytes();
    expect(bytes >= wanted_bytes(), ErrorCode::kFileDamaged, path, " is ", bytes, " bytes, too short for ",
           layout.count, " ids from byte ", layout.offset);
    void* map = mmap(nullptr, wanted_bytes(), PROT_READ, MAP_PRIVATE, file_, 0);
    expect(map != MAP_FAILED, ErrorCode::kIo, "cannot map ", path, ": ", std::strerror(errno));
    map_ = static_cast<const std::byte*>(map);
  } catch (...) {
    close(file_);
    throw;
  }
}

ShardReader::~ShardReader() {
  munmap(const_cast<std::byte*>(map_), wanted_bytes());
  close(file_);
}

uint64_t ShardReader::file_bytes() const {
  struct stat info{};
  expect(fstat(file_, &info) == 0, ErrorCode::kIo, "cannot read the size of ", path_, ": ",
         std::strerror(errno));
  return static_cast<uint64_t>(info.st_size);
}

void ShardReader::read(uint64_t begin, std::span<int32_t> out) const {
  expect(begin <= layout_.count && out.size() <= layout_.count - begin, ErrorCode::kArgument, "ids ", begin,
         " to ", begin + out.size(), " are beyond the ", layout_.count, " of ", path_);
  expect(file_bytes() >= wanted_bytes(), ErrorCode::kFileDamaged, path_, " was cut short while it was open");
  const std::byte* source = map_ + layout_.offset + begin * static_cast<uint64_t>(layout_.width);
  const uint32_t largest =
      layout_.width == 2 ? widen_ids<uint16_t>(source, out) : widen_ids<uint32_t>(source, out);
  if (largest < layout_.vocab_size) return;
  const auto bad = std::find_if(out.begin(), out.end(),
                                [&](int32_t id) { return static_cast<uint32_t>(id) >= layout_.vocab_size; });
  fail(ErrorCode::kFileDamaged, path_, ": id ", static_cast<uint32_t>(*bad), " at ",
       begin + static_cast<uint64_t>(bad - out.begin()), " is outside of the vocabulary of ",
       layout_.vocab_size);
}

}  // namespace athanor::text
