// The seam between operations and backends. A kernel family is a struct of function pointers over
// raw memory; each CPU instruction set defines one table of it (native/cpu/<family>.cpp, compiled
// once per set), and so does CUDA (native/cuda/<family>.cu). An operation asks for the table of its
// tensor's device and calls through it.
#pragma once

#include "core/complete_table.h"
#include "core/device.h"

namespace athanor {

enum class CpuIsa : int { kPortable, kAvx2, kAvx512, kAvx512Bf16 };

/// The best instruction set that this machine has and this build holds, or the one that
/// ATHANOR_ISA names. Throws ERR_ARGUMENT when ATHANOR_ISA names one that is unknown, not built or
/// not supported here.
CpuIsa active_isa();
const char* isa_name(CpuIsa isa);
/// Whether this build holds it.
bool isa_built(CpuIsa isa);
/// Whether this build holds it and this machine runs it.
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
// Users declare a table as weak: its address is null when its instruction set is not in this build.
// So nothing has to be compiled again when an instruction set is added.
#define ATHANOR_KERNEL_TABLE(isa, Table, accessor)           \
  namespace isa {                                            \
  extern const Table accessor##_table __attribute__((weak)); \
  }
#define ATHANOR_KERNEL_FAMILY(Table, accessor)                                     \
  namespace cpu {                                                                  \
  ATHANOR_KERNEL_TABLE(portable, Table, accessor)                                  \
  ATHANOR_KERNEL_TABLE(avx2, Table, accessor)                                      \
  ATHANOR_KERNEL_TABLE(avx512, Table, accessor)                                    \
  ATHANOR_KERNEL_TABLE(avx512bf16, Table, accessor)                                \
  }                                                                                \
  namespace cuda {                                                                 \
  const Table& accessor();                                                         \
  }                                                                                \
  inline const Table& accessor(Device device) {                                    \
    if (device.type == DeviceType::kCuda) return cuda::accessor();                 \
    const Table* table = nullptr;                                                  \
    switch (active_isa()) {                                                        \
      case CpuIsa::kPortable: table = &cpu::portable::accessor##_table; break;     \
      case CpuIsa::kAvx2: table = &cpu::avx2::accessor##_table; break;             \
      case CpuIsa::kAvx512: table = &cpu::avx512::accessor##_table; break;         \
      case CpuIsa::kAvx512Bf16: table = &cpu::avx512bf16::accessor##_table; break; \
    }                                                                              \
    if (table == nullptr) fail_no_backend(#Table);                                 \
    return *table;                                                                 \
  }
#endif
