#pragma once

#include "core/tensor.h"

namespace athanor::ops {

/// GELU by the tanh approximation. x f32 or bf16.
Tensor gelu_forward(const Tensor& x);
Tensor gelu_backward(const Tensor& dy, const Tensor& x);
/// GELU itself: x times the normal distribution's cumulative function.
Tensor gelu_erf_forward(const Tensor& x);
Tensor gelu_erf_backward(const Tensor& dy, const Tensor& x);
/// gate_up [.., 2 f] (gate first) -> silu(gate) * up [.., f].
Tensor swiglu_forward(const Tensor& gate_up);
Tensor swiglu_backward(const Tensor& dy, const Tensor& gate_up);
/// As swiglu, with the tanh form of GELU in silu's place.
Tensor geglu_forward(const Tensor& gate_up);
Tensor geglu_backward(const Tensor& dy, const Tensor& gate_up);
Tensor relu_forward(const Tensor& x);
/// The backward passes of relu, tanh and sigmoid take the result y, not the input.
Tensor relu_backward(const Tensor& dy, const Tensor& y);
Tensor tanh_forward(const Tensor& x);
Tensor tanh_backward(const Tensor& dy, const Tensor& y);
Tensor sigmoid_forward(const Tensor& x);
Tensor sigmoid_backward(const Tensor& dy, const Tensor& y);

}  // namespace athanor::ops
