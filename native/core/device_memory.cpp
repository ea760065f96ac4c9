#include "core/device_memory.h"

#include <atomic>
#include <cstring>

#include "core/error.h"
#include "core/reclaim.h"

namespace athanor {
namespace {

std::atomic<DeviceType> chosen{DeviceType::kCpu};

}  // namespace

Device default_device() { return {chosen.load(std::memory_order_relaxed)}; }

void set_default_device(Device device) {
  if (!is_host(device)) {
    const DeviceStatus status = cuda::backend().status();
    expect(status.available, ErrorCode::kCudaUnavailable, status.detail);
  }
  chosen.store(device.type, std::memory_order_relaxed);
}

void* device_allocate(Device device, size_t bytes) {
  const auto allocate = is_host(device) ? host_allocate : cuda::backend().allocate;
  try {
    return allocate(bytes);
  } catch (const Error& error) {
    if (error.code() != ErrorCode::kOutOfMemory || !reclaim_memory()) throw;
  }
  return allocate(bytes);
}

void device_free(Device device, void* pointer, size_t bytes) noexcept {
  is_host(device) ? host_free(pointer, bytes) : cuda::backend().free(pointer, bytes);
}

void device_write(Device device, void* to, const void* from, size_t bytes) {
  if (bytes == 0) return;
  if (is_host(device)) {
    std::memcpy(to, from, bytes);
  } else {
    cuda::backend().copy_to_device(to, from, bytes);
  }
}

void device_read(Device device, void* to, const void* from, size_t bytes) {
  if (bytes == 0) return;
  if (is_host(device)) {
    std::memcpy(to, from, bytes);
  } else {
    cuda::backend().copy_to_host(to, from, bytes);
  }
}

void device_copy(Device device, void* to, const void* from, size_t bytes) {
  if (bytes == 0) return;
  if (is_host(device)) {
    std::memmove(to, from, bytes);
  } else {
    cuda::backend().copy(to, from, bytes);
  }
}

void device_fill_zero(Device device, void* pointer, size_t bytes) {
  if (bytes == 0) return;
  if (is_host(device)) {
    std::memset(pointer, 0, bytes);
  } else {
    cuda::backend().fill_zero(pointer, bytes);
  }
}

void device_synchronize(Device device) {
  if (!is_host(device)) cuda::backend().synchronize();
}

MemoryStats device_memory_stats(Device device) {
  return is_host(device) ? host_memory_stats() : cuda::backend().memory_stats();
}

}  // namespace athanor
