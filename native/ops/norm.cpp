#include "ops/norm.h"

#include "kernels/norm.h"
#include "ops/check.h"

namespace athanor::ops {
namespace {

void check_input(const char* operation, const Tensor& x, const std::optional<Tensor>& delta,
                 const Tensor& weight, double eps) {
  check_float(operation, "x", x);
  expect(x.rank() >= 1 && x.dim(-1) > 0, ErrorCode::kShape, operation,
         "expected x to be [.., channels] but it is ", x.shape().text());
  if (delta) check_same(operation, x, *delta);
  check_dtype(operation, "weight", weight, DType::kF32);
  check_shape(operation, "weight", weight, {x.dim(-1)});
  expect(eps >= 0.0, ErrorCode::kArgument, operation, "expected eps to be 0 or more but got ", eps);
}

void check_gradient(const char* operation, const Tensor& dy, const std::optional<Tensor>& dsum,
                    const Tensor& sum, const Tensor& weight, const Tensor& rstd, const Tensor& dweight) {
  check_input(operation, sum, dsum, weight, 0.0);
  check_same(operation, dy, sum);
  check_dtype(operation, "rstd", rstd, DType::kF32);
  check_shape(operation, "rstd", rstd, {sum.rows()});
  check_dtype(operation, "dweight", dweight, DType::kF32);
  check_shape(operation, "dweight", dweight, weight.shape());
}

const void* raw_or_null(const std::optional<Tensor>& t) { return t ? t->raw() : nullptr; }
float* floats_or_null(const std::optional<Tensor>& t) { return t ? t->data<float>() : nullptr; }

}  // namespace

std::tuple<Tensor, Tensor, Tensor, Tensor> layer_norm_forward(const Tensor& x,
                                                              const std::optional<Tensor>& delta,
                                                              const Tensor& weight,
                                                              const std::optional<Tensor>& bias, double eps) {
  check_input("layer_norm_forward", x, delta, weight, eps);
  if (bias) {
    check_dtype("layer_norm_forward", "bias", *bias, DType::kF32);
    check_shape("layer_norm_forward", "bias", *bias, weight.shape());
  }
  Tensor y(x.shape(), x.dtype(), x.device());
  const Tensor sum = delta ? Tensor(x.shape(), x.dtype(), x.device()) : x;
  Tensor mean({x.rows()}, DType::kF32, x.device());
  Tensor rstd({x.rows()}, DType::kF32, x.device());
  norm_kernels(x.device())
      .layer_norm_forward(x.dtype(), y.raw(), sum.raw(), mean.data<float>(), rstd.data<float>(), x.raw(),
                          raw_or_null(delta), weight.data<float>(), floats_or_null(bias),
                          static_cast<float>(eps), x.rows(), x.dim(-1));
  return {y, sum, mean, rstd};
}

Tensor layer_norm_backward(const Tensor& dy, const std::optional<Tensor>& dsum, const Tensor& sum,
                           const Tensor& weight, const Tensor& mean, const Tensor& rstd,
                           const Tensor& dweight, const std::optional<Tensor>& dbias) {
  check_gradient("layer_norm_backward", dy, dsum, sum, weight, rstd, dweight);
  check_dtype("layer_norm_backward", "mean", mean, DType::kF32);
  check_shape("layer_norm_backward", "mean", mean, {sum.rows()});
  if (dbias) {
    check_dtype("layer_norm_backward", "dbias", *dbias, DType::kF32);
    check_shape("layer_norm_backward", "dbias", *dbias, weight.shape());
  }
  Tensor dx(sum.shape(), sum.dtype(), sum.device());
  norm_kernels(sum.device())
      .layer_norm_backward(sum.dtype(), dx.raw(), dweight.data<float>(), floats_or_null(dbias), dy.raw(),
                           raw_or_null(dsum), sum.raw(), weight.data<float>(), mean.data<float>(),
                           rstd.data<float>(), sum.rows(), sum.dim(-1));
  dweight.storage().mark_written();
  if (dbias) dbias->storage().mark_written();
  return dx;
}

std::tuple<Tensor, Tensor, Tensor> rms_norm_forward(const Tensor& x, const std::optional<Tensor>& delta,
                                                    const Tensor& weight, double eps) {
  check_input("rms_norm_forward", x, delta, weight, eps);
  Tensor y(x.shape(), x.dtype(), x.device());
  const Tensor sum = delta ? Tensor(x.shape(), x.dtype(), x.device()) : x;
  Tensor rstd({x.rows()}, DType::kF32, x.device());
  norm_kernels(x.device())
      .rms_norm_forward(x.dtype(), y.raw(), sum.raw(), rstd.data<float>(), x.raw(), raw_or_null(delta),
                        weight.data<float>(), static_cast<float>(eps), x.rows(), x.dim(-1));
  return {y, sum, rstd};
}

Tensor rms_norm_backward(const Tensor& dy, const std::optional<Tensor>& dsum, const Tensor& sum,
                         const Tensor& weight, const Tensor& rstd, const Tensor& dweight) {
  check_gradient("rms_norm_backward", dy, dsum, sum, weight, rstd, dweight);
  Tensor dx(sum.shape(), sum.dtype(), sum.device());
  norm_kernels(sum.device())
      .rms_norm_backward(sum.dtype(), dx.raw(), dweight.data<float>(), dy.raw(), raw_or_null(dsum), sum.raw(),
                         weight.data<float>(), rstd.data<float>(), sum.rows(), sum.dim(-1));
  dweight.storage().mark_written();
  return dx;
}

}  // namespace athanor::ops
