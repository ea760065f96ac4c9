#pragma once

#include <optional>
#include <tuple>

#include "core/tensor.h"
#include "kernels/preference.h"

namespace athanor::ops {

/// scale * sum over pairs (b, w) of weight * (-log sigmoid(s_b - s_w - margin) + centering * (s_b + s_w)^2).
/// scores f32 [n]; pairs i32 [2 m], better then worse; margins and weights f32 [m]. Returns the loss, the
/// gradient f32 [n] (with need_gradient) and the number of pairs with s_b > s_w.
std::tuple<double, std::optional<Tensor>, double> ranking_loss(const Tensor& scores, const Tensor& pairs,
                                                               const std::optional<Tensor>& margins,
                                                               const std::optional<Tensor>& weights,
                                                               double centering, double scale,
                                                               bool need_gradient);

/// Direct preference optimisation over sums of log-probabilities f32 [2 m], chosen responses then rejected
/// ones, with h = (chosen - its reference) - (rejected - its reference): sigmoid (Rafailov et al., 2023;
/// label smoothing as in cDPO), IPO (Azar et al., 2023) or hinge (Zhao et al., 2023). Returns the loss,
/// rewards beta * (sums - reference) f32 [2 m], the gradient (with need_gradient) and the number of pairs
/// with h > 0.
std::tuple<double, Tensor, std::optional<Tensor>, double> dpo_loss(const Tensor& sums,
                                                                   const Tensor& reference, double beta,
                                                                   DpoKind kind, double label_smoothing,
                                                                   double scale, bool need_gradient);

}  // namespace athanor::ops
