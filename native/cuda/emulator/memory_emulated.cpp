// cuda/memory.h on the emulator, where the device's memory is the host's and every launch is finished when it
// returns.
#include <algorithm>
#include <cstring>

#include "cuda/emulator/runtime.h"
#include "cuda/memory.h"

namespace athanor::cuda {

namespace {

MemoryStats in_use{};

}  // namespace

void* device_allocate(size_t bytes) {
  void* pointer = emulator::allocate(bytes);
  in_use.allocated_bytes += bytes;
  in_use.peak_bytes = std::max(in_use.peak_bytes, in_use.allocated_bytes);
  return pointer;
}

void device_free(void* pointer, size_t bytes) noexcept {
  if (pointer != nullptr) in_use.allocated_bytes -= bytes;
  emulator::release(pointer);
}
void copy_to_device(void* to, const void* from, size_t bytes) { std::memcpy(to, from, bytes); }
void copy_to_host(void* to, const void* from, size_t bytes) { std::memcpy(to, from, bytes); }
void copy_on_device(void* to, const void* from, size_t bytes) { std::memmove(to, from, bytes); }
void fill_zero(void* pointer, size_t bytes) { std::memset(pointer, 0, bytes); }
void synchronize() {}
MemoryStats memory_stats() { return in_use; }
DeviceStatus device_status() { return {true, "the CPU, emulating a GPU for tests"}; }
void begin_range(const char*) noexcept {}
void end_range() noexcept {}
int multiprocessors() { return 3; }
int compute_capability() { return 90; }

}  // namespace athanor::cuda
