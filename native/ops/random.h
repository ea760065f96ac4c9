#pragma once

#include "core/tensor.h"

namespace athanor::ops {

/// Fills an f32 tensor; element i is a function of (seed, stream, i), the same on every machine
/// and thread count.
void normal_into(const Tensor& target, double mean, double std, int64_t seed, int64_t stream);
/// Uniform in [low, high).
void uniform_into(const Tensor& target, double low, double high, int64_t seed, int64_t stream);

}  // namespace athanor::ops
