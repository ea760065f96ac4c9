// The table of native/core/device_memory.h. Its functions are in cuda/runtime for GPUs and in
// native/emulator for tests.
#include "core/device_memory.h"
#include "cuda/memory.h"

namespace athanor::cuda {
namespace {

// Set by cuda.cmake: the families whose kernels this backend lacks.
constexpr const char* kMissing = ATHANOR_CUDA_MISSING;

DeviceStatus status() {
  DeviceStatus found = device_status();
  if (found.available && *kMissing != '\0') {
    return {false, std::string("this build has no CUDA kernels of: ") + kMissing};
  }
  return found;
}

}  // namespace

const DeviceBackend& backend() {
  static constexpr DeviceBackend kBackend = {device_allocate, device_free, copy_to_device, copy_to_host,
                                             copy_on_device,  fill_zero,   synchronize,    memory_stats,
                                             status,          begin_range, end_range};
  return kBackend;
}

}  // namespace athanor::cuda
