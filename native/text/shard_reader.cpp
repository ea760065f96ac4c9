#include "text/shard_reader.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "core/error.h"

namespace athanor::text {
namespace {

constexpr const char* kName = "token shard";

template <class Id>
void widen_ids(const std::byte* source, std::span<int32_t> out) {
  for (size_t i = 0; i < out.size(); ++i) {
    Id id;
    std::memcpy(&id, source + i * sizeof(Id), sizeof(Id));
    out[i] = static_cast<int32_t>(id);
  }
}

}  // namespace

ShardReader::ShardReader(const std::string& path, uint64_t offset, uint64_t count, int width)
    : offset_(offset), count_(count), width_(width) {
  expect(width == 2 || width == 4, ErrorCode::kArgument, kName, "expected ids of 2 or 4 bytes but got ",
         width);
  const int file = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (file < 0) {
    const ErrorCode code = errno == ENOENT ? ErrorCode::kFileMissing : ErrorCode::kIo;
    fail(code, kName, "cannot open ", path, ": ", std::strerror(errno));
  }
  struct stat info{};
  const bool known = fstat(file, &info) == 0;
  const uint64_t bytes = known ? static_cast<uint64_t>(info.st_size) : 0;
  // Reading a mapped page beyond the end would kill the process, so the size is checked before anything is
  // mapped.
  if (!known || offset > bytes || count > (bytes - offset) / static_cast<uint64_t>(width)) {
    close(file);
    fail(ErrorCode::kFileDamaged, kName, path, " is ", bytes, " bytes, too short for ", count,
         " ids from byte ", offset);
  }
  map_bytes_ = bytes;
  if (bytes > 0) {
    void* map = mmap(nullptr, bytes, PROT_READ, MAP_PRIVATE, file, 0);
    const int problem = errno;
    close(file);
    expect(map != MAP_FAILED, ErrorCode::kIo, kName, "cannot map ", path, ": ", std::strerror(problem));
    map_ = static_cast<const std::byte*>(map);
  } else {
    close(file);
  }
}

ShardReader::~ShardReader() {
  if (map_ != nullptr) munmap(const_cast<std::byte*>(map_), map_bytes_);
}

void ShardReader::read(uint64_t begin, std::span<int32_t> out) const {
  expect(begin <= count_ && out.size() <= count_ - begin, ErrorCode::kArgument, kName, "ids ", begin, " to ",
         begin + out.size(), " are beyond the shard's ", count_);
  const std::byte* source = map_ + offset_ + begin * static_cast<uint64_t>(width_);
  if (width_ == 2) {
    widen_ids<uint16_t>(source, out);
  } else {
    widen_ids<uint32_t>(source, out);
  }
}

}  // namespace athanor::text
