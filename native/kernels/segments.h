// Segments contract: ragged f32 numbers end to end; `starts` i32 [segments + 1] says
// where each begins.
#pragma once

#include <cstdint>

#include "kernels/family.h"

namespace athanor {

struct SegmentsKernels {
  /// out[s] = the sum of segment s, in f64, first to last.
  void (*sum)(float* out, const float* x, const int32_t* starts, int64_t segments);
  /// out[i] = values[the segment of i]
  void (*broadcast)(float* out, const float* values, const int32_t* starts, int64_t segments);
};
ATHANOR_KERNEL_FAMILY(SegmentsKernels, segments_kernels)

}  // namespace athanor
