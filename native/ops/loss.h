#pragma once

#include <optional>
#include <tuple>

#include "core/tensor.h"

namespace athanor::ops {

/// Cross-entropy of softmax(x weight^T). x [n, d]; weight f32 [vocab, d]; targets i32 [n], -100 ignored;
/// token_weights f32 [n]. Returns losses f32 [n], scale * sum(weight * loss), and the gradients of
/// that sum: dx [n, d] of x's dtype and dweight f32 [vocab, d], which a frozen weight is spared.
/// dweight overwrites dweight_memory where that is given, else it gets new memory. The logits exist
/// for a chunk of rows at a time.
std::tuple<Tensor, double, std::optional<Tensor>, std::optional<Tensor>> linear_cross_entropy(
    const Tensor& x, const Tensor& weight, const Tensor& targets, const std::optional<Tensor>& token_weights,
    double scale, bool need_gradient, std::optional<bool> weight_frozen = false,
    const std::optional<Tensor>& dweight_memory = std::nullopt);

/// The logits x weight^T, f32 [n, vocab] whatever x's dtype: bit for bit what the losses see, for the
/// sampler.
Tensor linear_logits(const Tensor& x, const Tensor& weight);

/// log softmax(x weight^T / temperature)[target] and that distribution's entropy, both f32 [n].
std::tuple<Tensor, Tensor> linear_log_prob(const Tensor& x, const Tensor& weight, const Tensor& targets,
                                           double temperature);

/// Gradients of sum(dlog_probs * log_probs + dentropies * entropies): dx [n, d]; dweight f32 [vocab, d] is
/// added to, or with `overwrite` written (what is there may then be anything).
Tensor linear_log_prob_backward(const Tensor& x, const Tensor& weight, const Tensor& targets,
                                double temperature, const Tensor& dlog_probs,
                                const std::optional<Tensor>& dentropies, const std::optional<Tensor>& dweight,
                                std::optional<bool> overwrite = false);

}  // namespace athanor::ops
