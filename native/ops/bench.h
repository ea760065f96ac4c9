#pragma once

#include "core/dtype.h"

namespace athanor::ops {

/// Floating-point operations per second of all threads together, multiply-adds of f32 or bf16 on
/// registers: the peak of the active instruction set, or of the GPU where that is the default
/// device (bf16: its tensor cores). A multiply-add counts as two. Takes about 0.2 s.
double measure_peak_flops(DType dtype);
/// Bytes per second, read plus written, of all threads copying memory that no cache holds, on the
/// default device. Takes about 0.2 s.
double measure_copy_bandwidth();

}  // namespace athanor::ops
