#include "ops/activation.h"

#include "kernels/activation.h"
#include "ops/check.h"

namespace athanor::ops {
namespace {

using Unary = void (*)(DType, void*, const void*, int64_t);
using Binary = void (*)(DType, void*, const void*, const void*, int64_t);

Tensor unary(const Tensor& x, Unary ActivationKernels::* kernel) {
  check_float("x", x);
  Tensor y(x.shape(), x.dtype(), x.device());
  (activation_kernels(x.device()).*kernel)(x.dtype(), y.raw(), x.raw(), x.numel());
  return y;
}

Tensor binary(const Tensor& dy, const Tensor& saved, Binary ActivationKernels::* kernel) {
  check_float("dy", dy);
  check_same(dy, saved);
  Tensor dx(dy.shape(), dy.dtype(), dy.device());
  (activation_kernels(dy.device()).*kernel)(dy.dtype(), dx.raw(), dy.raw(), saved.raw(), dy.numel());
  return dx;
}

using Gated = void (*)(DType, void*, const void*, int64_t, int64_t);
using GatedBackward = void (*)(DType, void*, const void*, const void*, int64_t, int64_t);

/// The shape of the result: gate_up's with half as many channels.
Shape gated_shape(const Tensor& gate_up) {
  check_float("gateUp", gate_up);
  expect(gate_up.rank() >= 1 && gate_up.dim(-1) % 2 == 0, ErrorCode::kShape,
         "expected gateUp to be [.., 2 * channels] but it is ", gate_up.shape().text());
  Shape shape;
  for (int i = 0; i + 1 < gate_up.rank(); ++i) shape.push_back(gate_up.dim(i));
  shape.push_back(gate_up.dim(-1) / 2);
  return shape;
}

Tensor gated(const Tensor& gate_up, Gated ActivationKernels::* kernel) {
  Tensor y(gated_shape(gate_up), gate_up.dtype(), gate_up.device());
  (activation_kernels(y.device()).*kernel)(y.dtype(), y.raw(), gate_up.raw(), y.rows(), y.dim(-1));
  return y;
}

Tensor gated_backward(const Tensor& dy, const Tensor& gate_up, GatedBackward ActivationKernels::* kernel) {
  check_shape("dy", dy, gated_shape(gate_up));
  check_dtype("dy", dy, gate_up.dtype());
  Tensor dgate_up(gate_up.shape(), gate_up.dtype(), gate_up.device());
  (activation_kernels(dy.device()).*kernel)(dy.dtype(), dgate_up.raw(), dy.raw(), gate_up.raw(), dy.rows(),
                                            dy.dim(-1));
  return dgate_up;
}

}  // namespace

Tensor gelu_forward(const Tensor& x) { return unary(x, &ActivationKernels::gelu_forward); }

Tensor gelu_backward(const Tensor& dy, const Tensor& x) {
  return binary(dy, x, &ActivationKernels::gelu_backward);
}

Tensor gelu_erf_forward(const Tensor& x) { return unary(x, &ActivationKernels::gelu_erf_forward); }

Tensor gelu_erf_backward(const Tensor& dy, const Tensor& x) {
  return binary(dy, x, &ActivationKernels::gelu_erf_backward);
}

Tensor swiglu_forward(const Tensor& gate_up) { return gated(gate_up, &ActivationKernels::swiglu_forward); }

Tensor swiglu_backward(const Tensor& dy, const Tensor& gate_up) {
  return gated_backward(dy, gate_up, &ActivationKernels::swiglu_backward);
}

Tensor geglu_forward(const Tensor& gate_up) { return gated(gate_up, &ActivationKernels::geglu_forward); }

Tensor geglu_backward(const Tensor& dy, const Tensor& gate_up) {
  return gated_backward(dy, gate_up, &ActivationKernels::geglu_backward);
}

Tensor relu_forward(const Tensor& x) { return unary(x, &ActivationKernels::relu_forward); }

Tensor relu_backward(const Tensor& dy, const Tensor& y) {
  return binary(dy, y, &ActivationKernels::relu_backward);
}

Tensor tanh_forward(const Tensor& x) { return unary(x, &ActivationKernels::tanh_forward); }

Tensor tanh_backward(const Tensor& dy, const Tensor& y) {
  return binary(dy, y, &ActivationKernels::tanh_backward);
}

Tensor sigmoid_forward(const Tensor& x) { return unary(x, &ActivationKernels::sigmoid_forward); }

Tensor sigmoid_backward(const Tensor& dy, const Tensor& y) {
  return binary(dy, y, &ActivationKernels::sigmoid_backward);
}

}  // namespace athanor::ops
