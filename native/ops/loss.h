#pragma once

#include <optional>
#include <tuple>

#include "core/tensor.h"

namespace athanor::ops {

struct CrossEntropyInputs {
  Tensor x;                                  // [n, d]
  Tensor weight;                             // [vocab, d] f32 or bf16
  Tensor targets;                            // i32 [n], -100 ignored
  std::optional<Tensor> token_weights = {};  // f32 [n]
  double scale;
  bool need_gradient;
  std::optional<bool> weight_frozen = {};     // no dweight
  std::optional<Tensor> dweight_memory = {};  // f32 [vocab, d] for dweight; else new memory
  std::optional<double> softcap = {};         // a logit l counts as softcap tanh(l / softcap)
};

/// Cross-entropy of softmax(x weight^T). Returns losses f32 [n], scale * sum(weight * loss), and
/// the gradients of that sum: dx [n, d] of x's dtype and dweight f32 [vocab, d]. The logits exist
/// for a chunk of rows at a time.
std::tuple<Tensor, double, std::optional<Tensor>, std::optional<Tensor>> linear_cross_entropy(
    const CrossEntropyInputs& in);

/// The logits x weight^T, capped where there is a softcap, f32 [n, vocab] for any dtype of x: the
/// bits that the losses see, for the sampler.
Tensor linear_logits(const Tensor& x, const Tensor& weight, const std::optional<double>& softcap = {});

/// log softmax(x weight^T / temperature)[target] and that distribution's entropy, both f32 [n].
std::tuple<Tensor, Tensor> linear_log_prob(const Tensor& x, const Tensor& weight, const Tensor& targets,
                                           double temperature, const std::optional<double>& softcap = {});

struct LogProbBackwardInputs {
  Tensor x, weight, targets;  // as linear_log_prob had them
  double temperature;
  Tensor dlog_probs;                      // f32 [n]
  std::optional<Tensor> dentropies = {};  // f32 [n]
  std::optional<Tensor> dweight = {};     // f32 [vocab, d], added to
  std::optional<bool> overwrite = {};     // dweight is written instead; it may hold anything before
  std::optional<double> softcap = {};
};

/// Gradients of sum(dlog_probs * log_probs + dentropies * entropies) -> dx [n, d].
Tensor linear_log_prob_backward(const LogProbBackwardInputs& in);

}  // namespace athanor::ops
