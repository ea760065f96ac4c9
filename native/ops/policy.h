#pragma once

#include <optional>
#include <tuple>
#include <vector>

#include "core/tensor.h"
#include "kernels/policy.h"

namespace athanor::ops {

/// Generalised advantage estimation (Schulman et al., 2016) over ragged sequences: rewards and
/// values f32 [n], starts i32 [sequences + 1]. Returns advantages and returns (advantages +
/// values), f32 [n].
std::tuple<Tensor, Tensor> gae(const Tensor& rewards, const Tensor& values, const Tensor& starts,
                               double gamma, double lambda);

/// (x - mean) / sqrt(variance + 1e-8) over all elements, with the biased variance; the mean is
/// added back unless shift_mean. Throws ERR_NOT_FINITE.
Tensor whiten(const Tensor& x, bool shift_mean);

/// With d = log_probs - reference: k1 d, k2 d^2 / 2, k3 exp(-d) - 1 + d (Schulman, 2020). f32 [n].
Tensor kl_penalty(const Tensor& log_probs, const Tensor& reference_log_probs, KlEstimator estimator);

/// Tensors are f32 [n].
struct PolicyLossInputs {
  Tensor log_probs, old_log_probs, advantages;
  std::optional<Tensor> entropies = {};
  std::optional<Tensor> reference_log_probs = {};
  std::optional<Tensor> weights = {};  // default: all 1
  double clip_low, clip_high;
  double dual_clip;  // 0: none
  double entropy_coef, kl_coef, scale;
  bool need_gradient;
};

/// scale * sum over tokens of weights * (max(-A r, -A clip(r, 1 - clip_low, 1 + clip_high)), r =
/// exp(log_probs - old), bounded by -dual_clip A where A < 0, + kl_coef * k3(log_probs, reference)
/// - entropy_coef * entropies). A kl_coef other than 0 needs reference_log_probs, an entropy_coef
/// other than 0 needs entropies. Returns the loss, the gradients by log_probs and entropies (with
/// need_gradient), and clipped, approx_kl, ratio_max_deviation, ratio_sum, ratio_min, ratio_max.
std::tuple<double, std::optional<Tensor>, std::optional<Tensor>,
           std::tuple<double, double, double, double, double, double>>
policy_loss(const PolicyLossInputs& in);

/// scale / 2 * sum over tokens of max((V - R)^2, (clip(V, old - clip, old + clip) - R)^2); clip 0
/// is none. Returns the loss, the gradient by values (with need_gradient) and the number of tokens
/// that were clipped.
std::tuple<double, std::optional<Tensor>, double> value_loss(const Tensor& values, const Tensor& old_values,
                                                             const Tensor& returns, double clip, double scale,
                                                             bool need_gradient);

}  // namespace athanor::ops
