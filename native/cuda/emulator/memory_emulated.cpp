// cuda/memory.h on the emulator, where the device's memory is the host's and every launch is finished when it
// returns.
#include <cstring>

#include "cuda/emulator/runtime.h"
#include "cuda/memory.h"

namespace athanor::cuda {

void* device_allocate(size_t bytes) { return emulator::allocate(bytes); }
void device_free(void* pointer, size_t) noexcept { emulator::release(pointer); }
void copy_to_device(void* to, const void* from, size_t bytes) { std::memcpy(to, from, bytes); }
void copy_to_host(void* to, const void* from, size_t bytes) { std::memcpy(to, from, bytes); }
void copy_on_device(void* to, const void* from, size_t bytes) { std::memmove(to, from, bytes); }
void fill_zero(void* pointer, size_t bytes) { std::memset(pointer, 0, bytes); }
void synchronize() {}

}  // namespace athanor::cuda
