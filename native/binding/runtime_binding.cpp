#include "binding/convert.h"
#include "core/device_graph.h"
#include "core/device_memory.h"
#include "core/file_lock.h"
#include "core/thread_pool.h"
#include "kernels/family.h"

ATHANOR_WORDS(athanor::DeviceType, {"cpu", athanor::DeviceType::kCpu}, {"cuda", athanor::DeviceType::kCuda})
ATHANOR_WORDS(athanor::CpuIsa, {"portable", athanor::CpuIsa::kPortable}, {"avx2", athanor::CpuIsa::kAvx2},
              {"avx512", athanor::CpuIsa::kAvx512}, {"avx512bf16", athanor::CpuIsa::kAvx512Bf16})
ATHANOR_WORDS(athanor::FileLock, {"taken", athanor::FileLock::kTaken}, {"held", athanor::FileLock::kHeld},
              {"unsupported", athanor::FileLock::kUnsupported})

namespace athanor::binding {
namespace {

std::vector<CpuIsa> supported_isas() {
  std::vector<CpuIsa> isas;
  for (const Word<CpuIsa>& isa : words<CpuIsa>)
    if (isa_supported(isa.value)) isas.push_back(isa.value);
  return isas;
}

void set_device(DeviceType type) { set_default_device({type}); }
DeviceType device() { return default_device().type; }

/// Whether there is a GPU that this build can use, then its name or the missing part.
std::tuple<bool, std::string> cuda_status() {
  const DeviceStatus status = cuda::backend().status();
  return {status.available, status.detail};
}

/// [allocated, peak, cached, limit] in bytes, of the device in use.
std::tuple<uint64_t, uint64_t, uint64_t, uint64_t> memory_stats() {
  const MemoryStats s = device_memory_stats(default_device());
  return {s.allocated_bytes, s.peak_bytes, s.cached_bytes, s.limit_bytes};
}

void synchronize() { device_synchronize(default_device()); }

void set_memory_limit(int64_t bytes) { host_set_memory_limit(static_cast<uint64_t>(bytes)); }

const Family runtime_family([](Exports& exports) {
  bind<&active_isa>(exports, "activeIsa");
  bind<&supported_isas>(exports, "supportedIsas");
  bind<&set_active_isa>(exports, "setIsa");
  bind<&num_threads>(exports, "numThreads");
  bind<&set_num_threads>(exports, "setNumThreads");
  bind<&set_device>(exports, "setDevice");
  bind<&device>(exports, "device");
  bind<&cuda_status>(exports, "cudaStatus");
  bind<&synchronize>(exports, "synchronize");
  bind<&begin_recording>(exports, "beginRecording");
  bind<&end_recording>(exports, "endRecording");
  bind<&abandon_recording>(exports, "abandonRecording");
  bind<&launch_graph>(exports, "launchGraph");
  bind<&free_graph>(exports, "freeGraph");
  bind<&memory_stats>(exports, "memoryStats");
  bind<&set_memory_limit>(exports, "setMemoryLimit");
  bind<&host_trim>(exports, "trimMemory");
  bind<&host_reset_peak>(exports, "resetPeakMemory");
  bind<&lock_file>(exports, "lockFile");
});

}  // namespace
}  // namespace athanor::binding
