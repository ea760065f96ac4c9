#include "binding/convert.h"
#include "core/device_graph.h"
#include "core/device_memory.h"
#include "core/thread_pool.h"
#include "kernels/family.h"

namespace athanor::binding {
namespace {

std::string active_isa_text() { return isa_name(active_isa()); }

std::vector<std::string> supported_isas() {
  std::vector<std::string> names;
  for (CpuIsa isa : {CpuIsa::kPortable, CpuIsa::kAvx2, CpuIsa::kAvx512, CpuIsa::kAvx512Bf16})
    if (isa_supported(isa)) names.push_back(isa_name(isa));
  return names;
}

void set_isa(const std::string& name) {
  for (CpuIsa isa : {CpuIsa::kPortable, CpuIsa::kAvx2, CpuIsa::kAvx512, CpuIsa::kAvx512Bf16})
    if (name == isa_name(isa)) return set_active_isa(isa);
  fail(ErrorCode::kArgument, "isa", "expected portable, avx2, avx512 or avx512bf16 but got ", name);
}

/// Where tensors are made from now on: cpu or cuda.
void set_device(const std::string& name) {
  if (name == "cpu") return set_default_device({DeviceType::kCpu});
  if (name == "cuda") return set_default_device({DeviceType::kCuda});
  fail(ErrorCode::kArgument, "device", "expected cpu or cuda but got ", name);
}

std::string device() { return default_device().type == DeviceType::kCuda ? "cuda" : "cpu"; }

/// Whether there is a GPU that this build can use, then its name or what is missing.
std::tuple<bool, std::string> cuda_status() {
  const DeviceStatus status = cuda::backend().status();
  return {status.available, status.detail};
}

/// [allocated, peak, cached, limit] in bytes, of the device in use.
std::vector<double> memory_stats() {
  const MemoryStats s = device_memory_stats(default_device());
  return {static_cast<double>(s.allocated_bytes), static_cast<double>(s.peak_bytes),
          static_cast<double>(s.cached_bytes), static_cast<double>(s.limit_bytes)};
}

void synchronize() { device_synchronize(default_device()); }

void set_memory_limit(int64_t bytes) { host_set_memory_limit(static_cast<uint64_t>(bytes)); }

}  // namespace

void register_runtime(Napi::Object exports) {
  bind<&active_isa_text>(exports, "activeIsa");
  bind<&supported_isas>(exports, "supportedIsas");
  bind<&set_isa>(exports, "setIsa");
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
}

}  // namespace athanor::binding
