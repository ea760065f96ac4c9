// Random fills: element i is a function of (seed, stream, i) and of nothing else, so any task
// makes any part.
#pragma once

#include <cstdint>

#include "core/dtype.h"
#include "kernels/family.h"

namespace athanor {

struct RandomKernels {
  void (*normal)(float* target, int64_t count, double mean, double std, uint64_t seed, uint64_t stream);
  /// In [low, high).
  void (*uniform)(float* target, int64_t count, float low, float high, uint64_t seed, uint64_t stream);
};
ATHANOR_KERNEL_FAMILY(RandomKernels, random_kernels)

}  // namespace athanor
