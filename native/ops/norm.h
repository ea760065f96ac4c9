#pragma once

#include <optional>
#include <tuple>

#include "core/tensor.h"

namespace athanor::ops {

/// -> y, sum = x + delta (x itself where delta is absent), mean f32 [n], rstd f32 [n]. x is [.., d]
/// f32 or bf16.
std::tuple<Tensor, Tensor, Tensor, Tensor> layer_norm_forward(const Tensor& x,
                                                              const std::optional<Tensor>& delta,
                                                              const Tensor& weight,
                                                              const std::optional<Tensor>& bias, double eps);
struct LayerNormBackwardInputs {
  Tensor dy;
  std::optional<Tensor> dsum = {};  // the gradient that arrives through the residual; added to dx
  Tensor sum, weight, mean, rstd;
  Tensor dweight;                    // f32 [d], added to
  std::optional<Tensor> dbias = {};  // f32 [d], added to
};

struct RmsNormBackwardInputs {
  Tensor dy;
  std::optional<Tensor> dsum = {};
  Tensor sum, weight, rstd;
  Tensor dweight;
  std::optional<double> weight_offset = {};
};

/// -> dx.
Tensor layer_norm_backward(const LayerNormBackwardInputs& in);
/// -> y, sum, rstd.
std::tuple<Tensor, Tensor, Tensor> rms_norm_forward(const Tensor& x, const std::optional<Tensor>& delta,
                                                    const Tensor& weight, double eps,
                                                    const std::optional<double>& weight_offset = {});
Tensor rms_norm_backward(const RmsNormBackwardInputs& in);

}  // namespace athanor::ops
