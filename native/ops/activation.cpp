#include "ops/activation.h"

#include "kernels/activation.h"
#include "ops/check.h"

namespace athanor::ops {
namespace {

using Unary = void (*)(DType, void*, const void*, int64_t);
using Binary = void (*)(DType, void*, const void*, const void*, int64_t);

Tensor unary(const char* operation, const Tensor& x, Unary ActivationKernels::* kernel) {
  check_float(operation, "x", x);
  Tensor y(x.shape(), x.dtype(), x.device());
  (activation_kernels(x.device()).*kernel)(x.dtype(), y.raw(), x.raw(), x.numel());
  return y;
}

Tensor binary(const char* operation, const Tensor& dy, const Tensor& saved,
              Binary ActivationKernels::* kernel) {
  check_float(operation, "dy", dy);
  check_same(operation, dy, saved);
  Tensor dx(dy.shape(), dy.dtype(), dy.device());
  (activation_kernels(dy.device()).*kernel)(dy.dtype(), dx.raw(), dy.raw(), saved.raw(), dy.numel());
  return dx;
}

/// The shape of the result: gate_up's with half as many channels.
Shape swiglu_shape(const char* operation, const Tensor& gate_up) {
  check_float(operation, "gate_up", gate_up);
  expect(gate_up.rank() >= 1 && gate_up.dim(-1) % 2 == 0, ErrorCode::kShape, operation,
         "expected gate_up to be [.., 2 * channels] but it is ", gate_up.shape().text());
  Shape shape;
  for (int i = 0; i + 1 < gate_up.rank(); ++i) shape.push_back(gate_up.dim(i));
  shape.push_back(gate_up.dim(-1) / 2);
  return shape;
}

}  // namespace

Tensor gelu_forward(const Tensor& x) { return unary("gelu_forward", x, &ActivationKernels::gelu_forward); }

Tensor gelu_backward(const Tensor& dy, const Tensor& x) {
  return binary("gelu_backward", dy, x, &ActivationKernels::gelu_backward);
}

Tensor swiglu_forward(const Tensor& gate_up) {
  Tensor y(swiglu_shape("swiglu_forward", gate_up), gate_up.dtype(), gate_up.device());
  activation_kernels(y.device()).swiglu_forward(y.dtype(), y.raw(), gate_up.raw(), y.rows(), y.dim(-1));
  return y;
}

Tensor swiglu_backward(const Tensor& dy, const Tensor& gate_up) {
  check_shape("swiglu_backward", "dy", dy, swiglu_shape("swiglu_backward", gate_up));
  check_dtype("swiglu_backward", "dy", dy, gate_up.dtype());
  Tensor dgate_up(gate_up.shape(), gate_up.dtype(), gate_up.device());
  activation_kernels(dy.device())
      .swiglu_backward(dy.dtype(), dgate_up.raw(), dy.raw(), gate_up.raw(), dy.rows(), dy.dim(-1));
  return dgate_up;
}

Tensor relu_forward(const Tensor& x) { return unary("relu_forward", x, &ActivationKernels::relu_forward); }

Tensor relu_backward(const Tensor& dy, const Tensor& y) {
  return binary("relu_backward", dy, y, &ActivationKernels::relu_backward);
}

Tensor tanh_forward(const Tensor& x) { return unary("tanh_forward", x, &ActivationKernels::tanh_forward); }

Tensor tanh_backward(const Tensor& dy, const Tensor& y) {
  return binary("tanh_backward", dy, y, &ActivationKernels::tanh_backward);
}

Tensor sigmoid_forward(const Tensor& x) {
  return unary("sigmoid_forward", x, &ActivationKernels::sigmoid_forward);
}

Tensor sigmoid_backward(const Tensor& dy, const Tensor& y) {
  return binary("sigmoid_backward", dy, y, &ActivationKernels::sigmoid_backward);
}

}  // namespace athanor::ops
