#include "ops/softmax.h"

#include "kernels/softmax.h"
#include "ops/check.h"

namespace athanor::ops {
namespace {

void check_channels(const Tensor& x) {
  check_float("x", x);
  expect(x.rank() >= 1 && x.dim(-1) > 0, ErrorCode::kShape, "expected x to be [.., channels] but it is ",
         x.shape().text());
}

}  // namespace

Tensor softmax_forward(const Tensor& x) {
  check_channels(x);
  Tensor y(x.shape(), x.dtype(), x.device());
  softmax_kernels(x.device()).softmax_forward(x.dtype(), y.raw(), x.raw(), x.rows(), x.dim(-1));
  return y;
}

Tensor softmax_backward(const Tensor& dy, const Tensor& y) {
  check_channels(y);
  check_same(dy, y);
  Tensor dx(y.shape(), y.dtype(), y.device());
  softmax_kernels(y.device()).softmax_backward(y.dtype(), dx.raw(), dy.raw(), y.raw(), y.rows(), y.dim(-1));
  return dx;
}

}  // namespace athanor::ops
