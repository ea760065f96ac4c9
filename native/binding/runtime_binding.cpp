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
  bind<&active_isa, "activeIsa()">(exports);
  bind<&supported_isas, "supportedIsas()">(exports);
  bind<&set_active_isa, "setIsa(name)">(exports);
  bind<&num_threads, "numThreads()">(exports);
  bind<&set_num_threads, "setNumThreads(count)">(exports);
  bind<&set_device, "setDevice(type)">(exports);
  bind<&device, "device()">(exports);
  bind<&cuda_status, "cudaStatus()">(exports);
  bind<&synchronize, "synchronize()">(exports);
  bind<&begin_recording, "beginRecording()">(exports);
  bind<&end_recording, "endRecording()">(exports);
  bind<&abandon_recording, "abandonRecording()">(exports);
  bind<&launch_graph, "launchGraph(graph, written)">(exports);
  bind<&free_graph, "freeGraph(graph)">(exports);
  bind<&memory_stats, "memoryStats()">(exports);
  bind<&set_memory_limit, "setMemoryLimit(bytes)">(exports);
  bind<&host_trim, "trimMemory()">(exports);
  bind<&host_reset_peak, "resetPeakMemory()">(exports);
  bind<&lock_file, "lockFile(descriptor)">(exports);
});

}  // namespace
}  // namespace athanor::binding
