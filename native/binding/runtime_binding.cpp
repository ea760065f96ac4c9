#include "binding/convert.h"
#include "core/allocator.h"
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

/// [allocated, peak, cached, limit] in bytes.
std::vector<double> memory_stats() {
  const MemoryStats s = host_memory_stats();
  return {static_cast<double>(s.allocated_bytes), static_cast<double>(s.peak_bytes),
          static_cast<double>(s.cached_bytes), static_cast<double>(s.limit_bytes)};
}

void set_memory_limit(int64_t bytes) { host_set_memory_limit(static_cast<uint64_t>(bytes)); }

}  // namespace

void register_runtime(Napi::Object exports) {
  bind<&active_isa_text>(exports, "activeIsa");
  bind<&supported_isas>(exports, "supportedIsas");
  bind<&set_isa>(exports, "setIsa");
  bind<&num_threads>(exports, "numThreads");
  bind<&set_num_threads>(exports, "setNumThreads");
  bind<&memory_stats>(exports, "memoryStats");
  bind<&set_memory_limit>(exports, "setMemoryLimit");
  bind<&host_trim>(exports, "trimMemory");
  bind<&host_reset_peak>(exports, "resetPeakMemory");
}

}  // namespace athanor::binding
