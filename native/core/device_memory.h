// Memory of any device behind one set of functions. CUDA's functions are in native/cuda; a build
// without CUDA has a stub that throws. Nothing above this file asks which of the two it has.
#pragma once

#include <cstddef>
#include <string>

#include "core/allocator.h"
#include "core/device.h"

namespace athanor {

struct DeviceStatus {
  bool available = false;
  /// The device's name, or why there is none, and the remedy.
  std::string detail;
};

/// One backend's table. Work is queued in order: a copy to the device comes after the
/// kernels before it.
struct DeviceBackend {
  void* (*allocate)(size_t bytes);
  void (*free)(void* pointer, size_t bytes) noexcept;
  void (*copy_to_device)(void* to, const void* from, size_t bytes);
  /// Waits, and throws the error of the work before it.
  void (*copy_to_host)(void* to, const void* from, size_t bytes);
  /// Within the device; the two may overlap only where they are the same.
  void (*copy)(void* to, const void* from, size_t bytes);
  void (*fill_zero)(void* pointer, size_t bytes);
  void (*synchronize)();
  MemoryStats (*memory_stats)();
  /// Never throws: a missing GPU is an answer.
  DeviceStatus (*status)();
  /// A named range in a profiler's picture, from one to the other.
  void (*begin_range)(const char* name) noexcept;
  void (*end_range)() noexcept;
};

namespace cuda {
const DeviceBackend& backend();
}

/// The device of new tensors that are given none: the CPU until set_default_device.
Device default_device();
/// Throws ERR_CUDA_UNAVAILABLE, with the reason, for a GPU that cannot be used.
void set_default_device(Device device);

/// Throws ERR_OUT_OF_MEMORY, after it has reclaimed what it can (core/reclaim.h).
void* device_allocate(Device device, size_t bytes);
void device_free(Device device, void* pointer, size_t bytes) noexcept;
void device_write(Device device, void* to, const void* from, size_t bytes);
void device_read(Device device, void* to, const void* from, size_t bytes);
void device_copy(Device device, void* to, const void* from, size_t bytes);
void device_fill_zero(Device device, void* pointer, size_t bytes);
/// Waits for the queued work, and throws its error.
void device_synchronize(Device device);
MemoryStats device_memory_stats(Device device);

}  // namespace athanor
