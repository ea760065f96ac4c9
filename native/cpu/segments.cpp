#include "kernels/segments.h"

#include "cpu/loops.h"

namespace athanor::cpu::ATHANOR_ISA {
namespace {

void sum(float* out, const float* x, const int32_t* starts, int64_t segments) {
  parallel_for(segments, [&](int64_t segment) {
    double total = 0;
    for (int64_t i = starts[segment]; i < starts[segment + 1]; ++i) total += x[i];
    out[segment] = static_cast<float>(total);
  });
}

void broadcast(float* out, const float* values, const int32_t* starts, int64_t segments) {
  parallel_for(segments, [&](int64_t segment) {
    for (int64_t i = starts[segment]; i < starts[segment + 1]; ++i) out[i] = values[segment];
  });
}

}  // namespace

constinit const SegmentsKernels segments_kernels_table = complete_table<SegmentsKernels>(sum, broadcast);

}  // namespace athanor::cpu::ATHANOR_ISA
