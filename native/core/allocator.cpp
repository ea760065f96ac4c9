#include "core/allocator.h"

#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <bit>
#include <cstdint>
#include <cstdlib>
#include <fstream>
#include <map>
#include <mutex>
#include <string>
#include <vector>

#include "core/error.h"

namespace athanor {
namespace {

constexpr size_t kAlignment = 64;
// Blocks from this size up start on a huge page and ask for them: a GEMM that streams 4 KiB pages
// misses the TLB.
constexpr size_t kHugePage = size_t{2} << 20;

// Rounding to an eighth of the power of two wastes at most 12 % and makes blocks of
// nearby sizes interchangeable.
size_t round_size(size_t bytes) {
  if (bytes <= 512) return std::max<size_t>((bytes + kAlignment - 1) / kAlignment * kAlignment, kAlignment);
  const size_t step = std::max<size_t>(std::bit_floor(bytes) / 8, kAlignment);
  return (bytes + step - 1) / step * step;
}

uint64_t read_number(const char* path) {
  std::ifstream file(path);
  uint64_t value = 0;
  return file >> value ? value : 0;
}

/// The lowest limit of a control group and of the groups above it. Inside a container the group's
/// own path often does not exist, and the mount itself is the group.
uint64_t group_limit(const std::string& mount, std::string group, const char* file) {
  uint64_t lowest = UINT64_MAX;
  for (;;) {
    const uint64_t limit = read_number((mount + group + "/" + file).c_str());
    if (limit != 0) lowest = std::min(lowest, limit);
    const size_t slash = group.rfind('/');
    if (slash == std::string::npos) return lowest;
    group.resize(slash);
  }
}

/// The limit of this process's control group, of version 2 ("0::/path") or 1 ("4:memory:/path").
uint64_t control_group_limit() {
  uint64_t lowest = UINT64_MAX;
  std::ifstream groups("/proc/self/cgroup");
  for (std::string line; std::getline(groups, line);) {
    const size_t first = line.find(':');
    const size_t second = line.find(':', first + 1);
    if (second == std::string::npos) continue;
    const std::string controllers = line.substr(first + 1, second - first - 1);
    const std::string path = line.substr(second + 1);
    if (controllers.empty()) lowest = std::min(lowest, group_limit("/sys/fs/cgroup", path, "memory.max"));
    if (controllers == "memory")
      lowest = std::min(lowest, group_limit("/sys/fs/cgroup/memory", path, "memory.limit_in_bytes"));
  }
  return lowest;
}

/// What `ulimit -v` or `ulimit -d` allows.
uint64_t process_limit(decltype(RLIMIT_AS) kind) {
  rlimit limit{};
  return getrlimit(kind, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY ? limit.rlim_cur : UINT64_MAX;
}

uint64_t default_limit() {
  const uint64_t total =
      static_cast<uint64_t>(sysconf(_SC_PHYS_PAGES)) * static_cast<uint64_t>(sysconf(_SC_PAGESIZE));
  const uint64_t allowed =
      std::min({total, control_group_limit(), process_limit(RLIMIT_AS), process_limit(RLIMIT_DATA)});
  return allowed / 10 * 9;
}

struct Cache {
  std::mutex mutex;
  std::map<size_t, std::vector<void*>> blocks;
  MemoryStats stats{0, 0, 0, default_limit()};

  void trim() {
    for (auto& [size, list] : blocks)
      for (void* block : list) std::free(block);
    blocks.clear();
    stats.cached_bytes = 0;
  }
};

// Never destroyed: tensors may be finalised after static destructors have run.
Cache& cache() {
  static Cache* instance = new Cache;
  return *instance;
}

void* system_allocate(size_t size) {
  void* pointer = nullptr;
  const size_t alignment = size >= kHugePage ? kHugePage : kAlignment;
  if (posix_memalign(&pointer, alignment, size) != 0) return nullptr;
#ifdef MADV_HUGEPAGE
  if (size >= kHugePage) madvise(pointer, size / kHugePage * kHugePage, MADV_HUGEPAGE);
#endif
  return pointer;
}

double mebibytes(uint64_t bytes) { return static_cast<double>(bytes / 1024) / 1024.0; }

}  // namespace

void* host_allocate(size_t bytes) {
  Cache& c = cache();
  const size_t size = round_size(bytes);
  std::lock_guard lock(c.mutex);
  void* pointer = nullptr;
  if (auto found = c.blocks.find(size); found != c.blocks.end() && !found->second.empty()) {
    pointer = found->second.back();
    found->second.pop_back();
    c.stats.cached_bytes -= size;
  } else {
    if (c.stats.allocated_bytes + c.stats.cached_bytes + size > c.stats.limit_bytes) c.trim();
    const bool allowed = c.stats.allocated_bytes + size <= c.stats.limit_bytes;
    if (allowed) pointer = system_allocate(size);
    if (pointer == nullptr && allowed) {
      fail(ErrorCode::kOutOfMemory, "asked for ", mebibytes(size), " MiB, which the system refused, with ",
           mebibytes(c.stats.allocated_bytes),
           " MiB in use; other programs take the memory, or ulimit -v limits it");
    }
    if (pointer == nullptr) {
      fail(ErrorCode::kOutOfMemory, "asked for ", mebibytes(size), " MiB with ",
           mebibytes(c.stats.allocated_bytes), " MiB in use of a limit of ", mebibytes(c.stats.limit_bytes),
           " MiB; ", kMemoryRemedy);
    }
  }
  c.stats.allocated_bytes += size;
  c.stats.peak_bytes = std::max(c.stats.peak_bytes, c.stats.allocated_bytes);
  return pointer;
}

void host_free(void* pointer, size_t bytes) noexcept {
  if (pointer == nullptr) return;
  Cache& c = cache();
  const size_t size = round_size(bytes);
  std::lock_guard lock(c.mutex);
  c.stats.allocated_bytes -= size;
  try {
    c.blocks[size].push_back(pointer);
    c.stats.cached_bytes += size;
  } catch (...) {
    std::free(pointer);
  }
}

MemoryStats host_memory_stats() {
  std::lock_guard lock(cache().mutex);
  return cache().stats;
}

void host_reset_peak() {
  std::lock_guard lock(cache().mutex);
  cache().stats.peak_bytes = cache().stats.allocated_bytes;
}

void host_trim() {
  std::lock_guard lock(cache().mutex);
  cache().trim();
}

void host_set_memory_limit(uint64_t bytes) {
  std::lock_guard lock(cache().mutex);
  cache().stats.limit_bytes = bytes == 0 ? default_limit() : bytes;
}

}  // namespace athanor
