#pragma once

#include <optional>
#include <tuple>

#include "core/tensor.h"
#include "kernels/preference.h"

namespace athanor::ops {

struct RankingInputs {
  Tensor scores;                       // f32 [n]
  Tensor pairs;                        // i32 [2 m], better then worse
  std::optional<Tensor> margins = {};  // f32 [m]
  std::optional<Tensor> weights = {};  // f32 [m]
  double centering, scale;
  bool need_gradient;
};

/// scale * sum over pairs (b, w) of weight * (-log sigmoid(s_b - s_w - margin) + centering * (s_b +
/// s_w)^2). Returns the loss, the gradient f32 [n] (with need_gradient) and the number of pairs
/// with s_b > s_w.
std::tuple<double, std::optional<Tensor>, double> ranking_loss(const RankingInputs& in);

struct DpoInputs {
  Tensor sums;       // f32 [2 m]: log-probabilities of the chosen responses, then of the others
  Tensor reference;  // the same under the reference model
  double beta;
  DpoKind kind;
  double label_smoothing;  // for the kind sigmoid only
  double scale;
  bool need_gradient;
};

/// Direct preference optimisation with h = (chosen - its reference) - (rejected - its reference):
/// sigmoid (Rafailov et al., 2023; label smoothing as in cDPO), IPO (Azar et al., 2023) or hinge
/// (Zhao et al., 2023). Returns the loss, rewards beta * (sums - reference) f32 [2 m], the gradient
/// (with need_gradient) and the number of pairs with h > 0.
std::tuple<double, Tensor, std::optional<Tensor>, double> dpo_loss(const DpoInputs& in);

struct KtoInputs {
  Tensor sums;       // f32 [m]: log-probabilities of the answers
  Tensor reference;  // the same under the reference model
  Tensor weights;    // f32 [m]: above 0 for a good answer, below 0 for a bad one
  double beta;
  double baseline;  // in nats
  double scale;
  bool need_gradient;
};

/// Kahneman-Tversky optimisation (Ethayarajh et al., 2024, equation 8) with h = sums - reference:
/// scale * sum of |weight| * (1 - sigmoid(+-beta (h - baseline))), + for a good answer. Returns the
/// loss, rewards beta h f32 [m], the gradient (with need_gradient) and the number of answers on the
/// right side of the baseline.
std::tuple<double, Tensor, std::optional<Tensor>, double> kto_loss(const KtoInputs& in);

}  // namespace athanor::ops
