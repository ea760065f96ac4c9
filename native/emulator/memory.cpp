// Shared and global memory. Both are filled with one bits, which are NaN in f32 and bf16, so
// that a read before a write shows in the result. Both have fences that AddressSanitizer and the
// race detector know.
#include <cstdlib>
#include <cstring>
#include <map>

#include "emulator/state.h"

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/asan_interface.h>
#else
#define ASAN_POISON_MEMORY_REGION(begin, bytes) static_cast<void>(begin)
#define ASAN_UNPOISON_MEMORY_REGION(begin, bytes) static_cast<void>(begin)
#endif

namespace athanor::emulator {

alignas(1024) unsigned char shared_arena[kSharedArena + 1024];

namespace {

constexpr size_t kFence = 256;  // also the alignment of cudaMalloc
constexpr unsigned char kFill = 0xff;

struct SharedMemory {
  size_t used = 0;
  std::vector<SharedRegion> regions;
};
SharedMemory shared;
std::map<const void*, size_t> allocations;

size_t take_shared(size_t bytes, size_t alignment, const char* name) {
  const size_t offset = (shared.used + alignment - 1) / alignment * alignment;
  if (offset + bytes > options().shared_limit) {
    fail(std::string("shared memory: ") + name + " brings the block to " + std::to_string(offset + bytes) +
             " bytes of " + std::to_string(options().shared_limit),
         {});
    return 0;
  }
  ASAN_UNPOISON_MEMORY_REGION(shared_arena + offset, bytes);
  std::memset(shared_arena + offset, kFill, bytes);
  shared.regions.push_back({offset, bytes, name});
  stats().shared_peak = std::max<uint64_t>(stats().shared_peak, offset + bytes);
  shared.used = offset + bytes + 16;  // a gap, so that an array's neighbour is a fence
  return offset;
}

}  // namespace

const std::vector<SharedRegion>& shared_regions() { return shared.regions; }

void memory_begin_block(size_t dynamic_bytes) {
  shared.used = 0;
  shared.regions.clear();
  ASAN_POISON_MEMORY_REGION(shared_arena, kSharedArena);
  if (dynamic_bytes == 0) return;
  take_shared(dynamic_bytes, 1024, "dynamic shared memory");
  if (!machine.error.empty()) throw Fault(machine.error);
}

void memory_end_launch() { ASAN_UNPOISON_MEMORY_REGION(shared_arena, kSharedArena); }

unsigned char* dynamic_shared() { return shared_arena; }

void* static_shared(size_t bytes, size_t alignment, const char* name, uint64_t* block, void** pointer) {
  if (*block != machine.block_serial) {
    *pointer = shared_arena + take_shared(bytes, alignment, name);
    *block = machine.block_serial;
  }
  return *pointer;
}

uint32_t shared_offset(const void* pointer) {
  return static_cast<uint32_t>(static_cast<const unsigned char*>(pointer) - shared_arena);
}

void check_shared(const void* pointer, size_t bytes, size_t alignment, const char* what, Site site) {
  const auto* p = static_cast<const unsigned char*>(pointer);
  if (p < shared_arena || p >= shared_arena + kSharedArena) {
    return fail(std::string(what) + " is not in shared memory", site);
  }
  const size_t offset = shared_offset(p);
  if (offset % alignment != 0) {
    return fail(std::string(what) + " is misaligned (offset " + std::to_string(offset) + ")", site);
  }
  for (const SharedRegion& region : shared.regions) {
    if (offset >= region.offset && offset + bytes <= region.offset + region.bytes) return;
  }
  fail(std::string(what) + " is outside of the block's arrays (offset " + std::to_string(offset) + ")", site);
}

void note_access(const void* pointer, size_t bytes, bool is_write, Site site, AccessKind kind) {
  race_access(pointer, bytes, is_write, nullptr, site, kind);
}

void proxy_fence() { ++machine.current->proxy_fences; }

void* allocate(size_t bytes) {
  const size_t whole = (bytes + kFence - 1) / kFence * kFence;
  auto* memory = static_cast<unsigned char*>(std::aligned_alloc(kFence, kFence + whole + kFence));
  if (memory == nullptr) throw std::bad_alloc();
  unsigned char* pointer = memory + kFence;
  std::memset(memory, kFill, kFence + whole + kFence);
  ASAN_POISON_MEMORY_REGION(memory, kFence);
  ASAN_POISON_MEMORY_REGION(pointer + bytes, whole - bytes + kFence);
  allocations[pointer] = whole;
  race_new_allocation(pointer, bytes);
  return pointer;
}

void release(void* pointer) {
  if (pointer == nullptr) return;
  const auto found = allocations.find(pointer);
  if (found == allocations.end()) throw Fault("device memory is freed that was not allocated");
  auto* memory = static_cast<unsigned char*>(pointer) - kFence;
  ASAN_UNPOISON_MEMORY_REGION(memory, kFence + found->second + kFence);
  allocations.erase(found);
  race_drop_allocation(pointer);
  std::free(memory);
}

}  // namespace athanor::emulator
