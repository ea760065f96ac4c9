// Picks the instruction set once, at the first kernel call.
#include <atomic>
#include <cstdlib>
#include <string>

#include "core/error.h"
#include "kernels/bench.h"
#include "kernels/family.h"
#include "kernels/quantized.h"

namespace athanor {
namespace {

constexpr CpuIsa kAll[] = {CpuIsa::kAvx512Bf16, CpuIsa::kAvx512, CpuIsa::kAvx2, CpuIsa::kPortable};
std::atomic<int> chosen{-1};

CpuIsa best_isa() {
  for (CpuIsa isa : kAll)
    if (isa_supported(isa)) return isa;
  fail(ErrorCode::kInternal,
       "this build holds no instruction set that this machine can run; build it again on this machine with: "
       "npx athanor build");
}

CpuIsa isa_from_environment() {
  const char* name = std::getenv("ATHANOR_ISA");
  if (name == nullptr || *name == '\0') return best_isa();
  for (CpuIsa isa : kAll) {
    if (std::string(name) != isa_name(isa)) continue;
    expect(isa_supported(isa), ErrorCode::kArgument, "ATHANOR_ISA=", name,
           " is not supported by this machine or not in this build");
    return isa;
  }
  fail(ErrorCode::kArgument, "expected ATHANOR_ISA to be portable, avx2, avx512 or avx512bf16 but got ",
       name);
}

}  // namespace

const char* isa_name(CpuIsa isa) {
  switch (isa) {
    case CpuIsa::kPortable: return "portable";
    case CpuIsa::kAvx2: return "avx2";
    case CpuIsa::kAvx512: return "avx512";
    case CpuIsa::kAvx512Bf16: return "avx512bf16";
  }
  return "?";
}

bool isa_built(CpuIsa isa) {
  // One family stands for all: an instruction set is built whole.
  switch (isa) {
    case CpuIsa::kPortable: return &cpu::portable::bench_kernels_table != nullptr;
    case CpuIsa::kAvx2: return &cpu::avx2::bench_kernels_table != nullptr;
    case CpuIsa::kAvx512: return &cpu::avx512::bench_kernels_table != nullptr;
    case CpuIsa::kAvx512Bf16: return &cpu::avx512bf16::bench_kernels_table != nullptr;
  }
  return false;
}

bool isa_supported(CpuIsa isa) {
  if (!isa_built(isa)) return false;
  switch (isa) {
    case CpuIsa::kPortable: return true;
#if defined(__x86_64__)
    case CpuIsa::kAvx2: return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
    case CpuIsa::kAvx512:
      return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
             __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq");
    case CpuIsa::kAvx512Bf16:
      return __builtin_cpu_supports("avx512bf16") && __builtin_cpu_supports("avx512bw") &&
             __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq");
#else
    default: break;
#endif
  }
  return false;
}

bool vnni_supported() {
#if defined(__x86_64__)
  static const bool supported = [] {
    const char* wish = std::getenv("ATHANOR_VNNI");
    return __builtin_cpu_supports("avx512vnni") && (wish == nullptr || std::string(wish) != "none");
  }();
  return supported;
#else
  return false;
#endif
}

CpuIsa active_isa() {
  int isa = chosen.load(std::memory_order_relaxed);
  if (isa < 0) {
    isa = static_cast<int>(isa_from_environment());
    chosen.store(isa, std::memory_order_relaxed);
  }
  return static_cast<CpuIsa>(isa);
}

void set_active_isa(CpuIsa isa) {
  expect(isa_supported(isa), ErrorCode::kArgument, isa_name(isa), " is not supported here");
  chosen.store(static_cast<int>(isa), std::memory_order_relaxed);
}

void fail_no_backend(const char* family) {
  fail(ErrorCode::kCudaUnavailable, family, " has no kernels for this device in this build");
}

}  // namespace athanor
