#pragma once

#include <optional>
#include <tuple>

#include "core/tensor.h"

namespace athanor::ops {

/// -> y, sum = x + delta (x itself where delta is absent), mean f32 [n], rstd f32 [n]. x is [.., d] f32 or
/// bf16.
std::tuple<Tensor, Tensor, Tensor, Tensor> layer_norm_forward(const Tensor& x,
                                                              const std::optional<Tensor>& delta,
                                                              const Tensor& weight,
                                                              const std::optional<Tensor>& bias, double eps);
/// -> dx. dweight and dbias (f32 [d]) are added to.
Tensor layer_norm_backward(const Tensor& dy, const std::optional<Tensor>& dsum, const Tensor& sum,
                           const Tensor& weight, const Tensor& mean, const Tensor& rstd,
                           const Tensor& dweight, const std::optional<Tensor>& dbias);
/// -> y, sum, rstd.
std::tuple<Tensor, Tensor, Tensor> rms_norm_forward(const Tensor& x, const std::optional<Tensor>& delta,
                                                    const Tensor& weight, double eps);
Tensor rms_norm_backward(const Tensor& dy, const std::optional<Tensor>& dsum, const Tensor& sum,
                         const Tensor& weight, const Tensor& rstd, const Tensor& dweight);

}  // namespace athanor::ops
