#include "ops/norm.h"

#include "kernels/norm.h"
#include "ops/check.h"

namespace athanor::ops {
namespace {

void check_input(const Tensor& x, const std::optional<Tensor>& delta, const Tensor& weight, double eps) {
  check_float("x", x);
  expect(x.rank() >= 1 && x.dim(-1) > 0, ErrorCode::kShape, "expected x to be [.., channels] but it is ",
         x.shape().text());
  if (delta) check_same(x, *delta);
  check_dtype("weight", weight, DType::kF32);
  check_shape("weight", weight, {x.dim(-1)});
  expect(eps >= 0.0, ErrorCode::kArgument, "expected eps to be 0 or more but got ", eps);
}

void check_gradient(const Tensor& dy, const std::optional<Tensor>& dsum, const Tensor& sum,
                    const Tensor& weight, const Tensor& rstd, const Tensor& dweight) {
  check_input(sum, dsum, weight, 0.0);
  check_same(dy, sum);
  check_dtype("rstd", rstd, DType::kF32);
  check_shape("rstd", rstd, {sum.rows()});
  check_dtype("dweight", dweight, DType::kF32);
  check_shape("dweight", dweight, weight.shape());
}

const void* raw_or_null(const std::optional<Tensor>& t) { return t ? t->raw() : nullptr; }
float* floats_or_null(const std::optional<Tensor>& t) { return t ? t->data<float>() : nullptr; }

}  // namespace

std::tuple<Tensor, Tensor, Tensor, Tensor> layer_norm_forward(const Tensor& x,
                                                              const std::optional<Tensor>& delta,
                                                              const Tensor& weight,
                                                              const std::optional<Tensor>& bias, double eps) {
  check_input(x, delta, weight, eps);
  if (bias) {
    check_dtype("bias", *bias, DType::kF32);
    check_shape("bias", *bias, weight.shape());
  }
  Tensor y(x.shape(), x.dtype(), x.device());
  const Tensor sum = delta ? Tensor(x.shape(), x.dtype(), x.device()) : x;
  Tensor mean({x.rows()}, DType::kF32, x.device());
  Tensor rstd({x.rows()}, DType::kF32, x.device());
  norm_kernels(x.device())
      .layer_norm_forward({.dtype = x.dtype(),
                           .y = y.raw(),
                           .sum = sum.raw(),
                           .mean = mean.data<float>(),
                           .rstd = rstd.data<float>(),
                           .x = x.raw(),
                           .delta = raw_or_null(delta),
                           .weight = weight.data<float>(),
                           .bias = floats_or_null(bias),
                           .eps = static_cast<float>(eps),
                           .rows = x.rows(),
                           .channels = x.dim(-1)});
  return {y, sum, mean, rstd};
}

Tensor layer_norm_backward(const LayerNormBackwardInputs& in) {
  const auto& [dy, dsum, sum, weight, mean, rstd, dweight, dbias] = in;
  check_gradient(dy, dsum, sum, weight, rstd, dweight);
  check_dtype("mean", mean, DType::kF32);
  check_shape("mean", mean, {sum.rows()});
  if (dbias) {
    check_dtype("dbias", *dbias, DType::kF32);
    check_shape("dbias", *dbias, weight.shape());
  }
  Tensor dx(sum.shape(), sum.dtype(), sum.device());
  norm_kernels(sum.device())
      .layer_norm_backward({.dtype = sum.dtype(),
                            .dx = dx.raw(),
                            .dweight = dweight.data<float>(),
                            .dbias = floats_or_null(dbias),
                            .dy = dy.raw(),
                            .dsum = raw_or_null(dsum),
                            .sum = sum.raw(),
                            .weight = weight.data<float>(),
                            .mean = mean.data<float>(),
                            .rstd = rstd.data<float>(),
                            .rows = sum.rows(),
                            .channels = sum.dim(-1)});
  dweight.storage().mark_written();
  if (dbias) dbias->storage().mark_written();
  return dx;
}

std::tuple<Tensor, Tensor, Tensor> rms_norm_forward(const Tensor& x, const std::optional<Tensor>& delta,
                                                    const Tensor& weight, double eps,
                                                    const std::optional<double>& weight_offset) {
  check_input(x, delta, weight, eps);
  Tensor y(x.shape(), x.dtype(), x.device());
  const Tensor sum = delta ? Tensor(x.shape(), x.dtype(), x.device()) : x;
  Tensor rstd({x.rows()}, DType::kF32, x.device());
  norm_kernels(x.device())
      .rms_norm_forward({.dtype = x.dtype(),
                         .y = y.raw(),
                         .sum = sum.raw(),
                         .mean = nullptr,
                         .rstd = rstd.data<float>(),
                         .x = x.raw(),
                         .delta = raw_or_null(delta),
                         .weight = weight.data<float>(),
                         .bias = nullptr,
                         .eps = static_cast<float>(eps),
                         .rows = x.rows(),
                         .channels = x.dim(-1),
                         .weight_offset = static_cast<float>(weight_offset.value_or(0))});
  return {y, sum, rstd};
}

Tensor rms_norm_backward(const RmsNormBackwardInputs& in) {
  const auto& [dy, dsum, sum, weight, rstd, dweight, weight_offset] = in;
  check_gradient(dy, dsum, sum, weight, rstd, dweight);
  Tensor dx(sum.shape(), sum.dtype(), sum.device());
  norm_kernels(sum.device())
      .rms_norm_backward({.dtype = sum.dtype(),
                          .dx = dx.raw(),
                          .dweight = dweight.data<float>(),
                          .dbias = nullptr,
                          .dy = dy.raw(),
                          .dsum = raw_or_null(dsum),
                          .sum = sum.raw(),
                          .weight = weight.data<float>(),
                          .mean = nullptr,
                          .rstd = rstd.data<float>(),
                          .rows = sum.rows(),
                          .channels = sum.dim(-1),
                          .weight_offset = static_cast<float>(weight_offset.value_or(0))});
  dweight.storage().mark_written();
  return dx;
}

}  // namespace athanor::ops
