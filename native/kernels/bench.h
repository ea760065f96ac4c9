// The measured peaks of this machine, which benchmarks compare with.
#pragma once

#include <cstdint>

#include "core/dtype.h"
#include "kernels/family.h"

namespace athanor {

struct BenchKernels {
  /// Multiply-adds of `dtype` on registers alone: `rounds` rounds on the calling thread, or queued
  /// on all of the GPU. Returns the number of floating-point operations; `sink` (device memory)
  /// gets a number that depends on all of them.
  double (*multiply_add)(DType dtype, int64_t rounds, float* sink);
  /// to[i] = from[i], past the caches where the instruction set can.
  void (*copy)(float* to, const float* from, int64_t count);
};
ATHANOR_KERNEL_FAMILY(BenchKernels, bench_kernels)

}  // namespace athanor
