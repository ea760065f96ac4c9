// The seam between operations and backends. A kernel family is a struct of function pointers over
// raw memory; each CPU instruction set defines one table of it (native/cpu/<family>.cpp, compiled
// once per set), and so does CUDA (native/cuda/<family>.cu). An operation asks for the table of its
// tensor's device and calls through it.
#pragma once

#include "core/device.h"

namespace athanor {

enum class CpuIsa : int { kPortable, kAvx2, kAvx512, kAvx512Bf16 };

/// The best instruction set that this machine has and this build holds, or the one that
/// ATHANOR_ISA names. Throws ERR_ARGUMENT when ATHANOR_ISA names one that is unknown, not built or
/// not supported here.
CpuIsa active_isa();
const char* isa_name(CpuIsa isa);
bool isa_supported(CpuIsa isa);
/// Tests run every set that the machine has through this.
void set_active_isa(CpuIsa isa);
[[noreturn]] void fail_no_backend(const char* family);

}  // namespace athanor

// ATHANOR_KERNEL_FAMILY(NormKernels, norm_kernels), inside namespace athanor, declares the
// tables cpu::<isa>::norm_kernels_table, cuda::norm_kernels() and the accessor
// norm_kernels(device). A build without CUDA, or a family without a CUDA file, gets a stub that
// throws, written by native/cuda/cuda.cmake.
#ifdef ATHANOR_ISA
#define ATHANOR_KERNEL_FAMILY(Table, accessor) \
  namespace cpu::ATHANOR_ISA {                 \
  extern const Table accessor##_table;         \
  }
#else
#ifdef ATHANOR_HAS_portable
#define ATHANOR_IF_portable(x) x
#else
#define ATHANOR_IF_portable(x)
#endif
#ifdef ATHANOR_HAS_avx2
#define ATHANOR_IF_avx2(x) x
#else
#define ATHANOR_IF_avx2(x)
#endif
#ifdef ATHANOR_HAS_avx512
#define ATHANOR_IF_avx512(x) x
#else
#define ATHANOR_IF_avx512(x)
#endif
#ifdef ATHANOR_HAS_avx512bf16
#define ATHANOR_IF_avx512bf16(x) x
#else
#define ATHANOR_IF_avx512bf16(x)
#endif
#define ATHANOR_KERNEL_FAMILY(Table, accessor)                                                          \
  namespace cpu {                                                                                       \
  namespace portable {                                                                                  \
  extern const Table accessor##_table;                                                                  \
  }                                                                                                     \
  namespace avx2 {                                                                                      \
  extern const Table accessor##_table;                                                                  \
  }                                                                                                     \
  namespace avx512 {                                                                                    \
  extern const Table accessor##_table;                                                                  \
  }                                                                                                     \
  namespace avx512bf16 {                                                                                \
  extern const Table accessor##_table;                                                                  \
  }                                                                                                     \
  }                                                                                                     \
  namespace cuda {                                                                                      \
  const Table& accessor();                                                                              \
  }                                                                                                     \
  inline const Table& accessor(Device device) {                                                         \
    if (device.type == DeviceType::kCuda) return cuda::accessor();                                      \
    switch (active_isa()) {                                                                             \
      case CpuIsa::kPortable: ATHANOR_IF_portable(return cpu::portable::accessor##_table;) break;       \
      case CpuIsa::kAvx2: ATHANOR_IF_avx2(return cpu::avx2::accessor##_table;) break;                   \
      case CpuIsa::kAvx512: ATHANOR_IF_avx512(return cpu::avx512::accessor##_table;) break;             \
      case CpuIsa::kAvx512Bf16: ATHANOR_IF_avx512bf16(return cpu::avx512bf16::accessor##_table;) break; \
    }                                                                                                   \
    fail_no_backend(#Table);                                                                            \
  }
#endif
