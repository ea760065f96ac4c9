// Device memory and the stream that all work is queued on.
#pragma once

#include <cstddef>
#include <cstdint>

#include "core/device_memory.h"

namespace athanor::cuda {

/// 256-byte aligned, uninitialised. Throws ERR_OUT_OF_MEMORY.
void* device_allocate(size_t bytes);
/// Safe while kernels that were queued before still use it: whoever reuses the memory is
/// queued behind them.
void device_free(void* pointer, size_t bytes) noexcept;
void copy_to_device(void* to, const void* from, size_t bytes);
/// Waits for everything queued before.
void copy_to_host(void* to, const void* from, size_t bytes);
void copy_on_device(void* to, const void* from, size_t bytes);
void fill_zero(void* pointer, size_t bytes);
/// Waits, and throws the error of the work before it.
void synchronize();
MemoryStats memory_stats();
/// Looks once; see DeviceBackend::status.
DeviceStatus device_status();
/// See DeviceBackend; without a profiler they do nothing.
void begin_range(const char* name) noexcept;
void end_range() noexcept;
/// Streaming multiprocessors of the device, for grids that fill it.
int multiprocessors();
/// Ten times the major version plus the minor: 90 for Hopper.
int compute_capability();

}  // namespace athanor::cuda
