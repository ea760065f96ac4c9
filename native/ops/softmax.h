#pragma once

#include "core/tensor.h"

namespace athanor::ops {

/// Softmax of x [.., channels], f32 or bf16, over the last dimension.
Tensor softmax_forward(const Tensor& x);
/// -> dx
Tensor softmax_backward(const Tensor& dy, const Tensor& y);

}  // namespace athanor::ops
