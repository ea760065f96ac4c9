#pragma once

#include "core/tensor.h"

namespace athanor::ops {

/// starts i32 [segments + 1] begins with 0, never falls and ends with `count`.
void check_starts(const Tensor& starts, int64_t count);
/// x f32 [n], starts i32 [segments + 1] -> f32 [segments], the sum of each segment; 0 for
/// an empty one.
Tensor segment_sum(const Tensor& x, const Tensor& starts);
/// values f32 [segments] -> f32 [n]: its segment's value for each element.
Tensor segment_broadcast(const Tensor& values, const Tensor& starts);

}  // namespace athanor::ops
