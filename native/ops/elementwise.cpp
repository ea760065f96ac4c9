#include "ops/elementwise.h"

#include <vector>

#include "kernels/elementwise.h"
#include "ops/check.h"

namespace athanor::ops {

Tensor axpby(const Tensor& a, float alpha, const Tensor& b, float beta) {
  check_float("a", a);
  Tensor out(a.shape(), a.dtype(), a.device());
  axpby_into(out, a, alpha, b, beta);
  return out;
}

void axpby_into(const Tensor& target, const Tensor& a, float alpha, const Tensor& b, float beta) {
  check_float("a", a);
  check_same(a, b);
  check_same(target, a);
  elementwise_kernels(a.device()).axpby(a.dtype(), target.raw(), a.raw(), alpha, b.raw(), beta, a.numel());
  target.storage().mark_written();
}

void add_scaled_into(const Tensor& target, const Tensor& source, float alpha) {
  check_float("target", target);
  axpby_into(target, source, alpha, target, 1.0f);
}

void lerp_into(const Tensor& target, const Tensor& source, float weight) {
  check_float("target", target);
  check_same(target, source);
  elementwise_kernels(target.device())
      .lerp(target.dtype(), target.raw(), source.raw(), weight, target.numel());
  target.storage().mark_written();
}

Tensor scale(const Tensor& a, float alpha) {
  check_float("a", a);
  Tensor out(a.shape(), a.dtype(), a.device());
  elementwise_kernels(a.device()).scale(a.dtype(), out.raw(), a.raw(), alpha, a.numel());
  return out;
}

void scale_into(const Tensor& target, float alpha) {
  check_float("target", target);
  elementwise_kernels(target.device())
      .scale(target.dtype(), target.raw(), target.raw(), alpha, target.numel());
  target.storage().mark_written();
}

Tensor multiply(const Tensor& a, const Tensor& b) {
  check_float("a", a);
  check_same(a, b);
  Tensor out(a.shape(), a.dtype(), a.device());
  elementwise_kernels(a.device()).multiply(a.dtype(), out.raw(), a.raw(), b.raw(), a.numel());
  return out;
}

Tensor full(Shape shape, DType dtype, float value) {
  Tensor out(shape, dtype, default_device());
  fill_into(out, value);
  return out;
}

void fill_into(const Tensor& target, float value) {
  if (target.dtype() == DType::kI32) {
    const std::vector<int32_t> numbers(static_cast<size_t>(target.numel()), static_cast<int32_t>(value));
    target.write(numbers.data());
  } else if (target.dtype() == DType::kU8) {
    const std::vector<uint8_t> numbers(static_cast<size_t>(target.numel()), static_cast<uint8_t>(value));
    target.write(numbers.data());
  } else {
    elementwise_kernels(target.device()).fill(target.dtype(), target.raw(), value, target.numel());
  }
  target.storage().mark_written();
}

Tensor cast(const Tensor& a, DType dtype) {
  check_float("a", a);
  expect(dtype == DType::kF32 || dtype == DType::kBF16, ErrorCode::kDtype, "expected f32 or bf16 but got ",
         dtype_name(dtype));
  Tensor out(a.shape(), dtype, a.device());
  elementwise_kernels(a.device()).cast(dtype, out.raw(), a.dtype(), a.raw(), a.numel());
  return out;
}

float sum(const Tensor& a) {
  check_float("a", a);
  return elementwise_kernels(a.device()).sum(a.dtype(), a.raw(), a.numel());
}

void copy_into(const Tensor& target, const Tensor& source) {
  check_same(target, source);
  device_copy(target.device(), target.raw(), source.raw(), source.bytes());
  target.storage().mark_written();
}

}  // namespace athanor::ops
