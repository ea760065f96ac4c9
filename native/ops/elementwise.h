#pragma once

#include "core/tensor.h"

namespace athanor::ops {

/// a * alpha + b * beta, elementwise.
Tensor axpby(const Tensor& a, float alpha, const Tensor& b, float beta);
/// The same into `target`, which may be `a` or `b`.
void axpby_into(const Tensor& target, const Tensor& a, float alpha, const Tensor& b, float beta);
/// target += source * alpha, in place.
void add_scaled_into(const Tensor& target, const Tensor& source, float alpha);
/// target += weight * (source - target), in place.
void lerp_into(const Tensor& target, const Tensor& source, float weight);
Tensor scale(const Tensor& a, float alpha);
void scale_into(const Tensor& target, float alpha);
Tensor multiply(const Tensor& a, const Tensor& b);
Tensor full(Shape shape, DType dtype, float value);
void fill_into(const Tensor& target, float value);
Tensor cast(const Tensor& a, DType dtype);
/// Sum of all elements, the same bits for any number of threads.
float sum(const Tensor& a);
void copy_into(const Tensor& target, const Tensor& source);

}  // namespace athanor::ops
