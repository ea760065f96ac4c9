// A token's part of the policy and value losses, in f64: the formulas of every backend.
#pragma once

#include <cmath>

#include "core/dtype.h"
#include "kernels/policy.h"

namespace athanor::policy {

// A NaN on either side is the result, so that an extreme does not hide a NaN ratio.
ATHANOR_INLINE double larger_of(double a, double b) { return a > b || a != a ? a : b; }
ATHANOR_INLINE double smaller_of(double a, double b) { return a < b || a != a ? a : b; }
ATHANOR_INLINE double clamp(double x, double low, double high) { return larger_of(low, smaller_of(high, x)); }

/// `difference` is log_prob - reference; see ops/policy.h for the formulas.
ATHANOR_INLINE double kl_estimate(double difference, KlEstimator estimator) {
  if (estimator == KlEstimator::kK2) return 0.5 * difference * difference;
  if (estimator == KlEstimator::kK3) return std::expm1(-difference) + difference;
  return difference;
}

/// One token's loss; `slope` is its derivative by the token's log-probability.
ATHANOR_INLINE double token_loss(const PolicyLossArgs& args, int64_t i, PolicyTotals& total, double& slope) {
  const double advantage = args.advantages[i];
  const double log_ratio = static_cast<double>(args.log_probs[i]) - args.old_log_probs[i];
  const double ratio = std::exp(log_ratio);
  const double plain = -advantage * ratio;
  const double bounded = -advantage * clamp(ratio, 1 - args.clip_low, 1 + args.clip_high);
  double loss = larger_of(plain, bounded);
  slope = bounded > plain ? 0.0 : plain;
  if (args.dual_clip > 0 && advantage < 0 && loss > -args.dual_clip * advantage) {
    loss = -args.dual_clip * advantage;
    slope = 0;
  }
  if (args.reference_log_probs != nullptr) {
    const double behind = static_cast<double>(args.reference_log_probs[i]) - args.log_probs[i];
    loss += args.kl_coef * (std::expm1(behind) - behind);
    slope -= args.kl_coef * std::expm1(behind);
  }
  total.clipped += bounded > plain ? 1 : 0;
  total.approx_kl += 0.5 * log_ratio * log_ratio;
  total.ratio_sum += ratio;
  total.ratio_max_deviation = larger_of(total.ratio_max_deviation, std::fabs(ratio - 1));
  total.ratio_min = smaller_of(total.ratio_min, ratio);
  total.ratio_max = larger_of(total.ratio_max, ratio);
  return loss;
}

/// Token i's part of the totals, and its gradients where they are wanted.
ATHANOR_INLINE void add_token(const PolicyLossArgs& args, int64_t i, PolicyTotals& total) {
  double slope = 0;
  double loss = token_loss(args, i, total, slope);
  if (args.entropies != nullptr) loss -= args.entropy_coef * args.entropies[i];
  const double scale = args.weights != nullptr ? args.scale * args.weights[i] : args.scale;
  total.loss += scale * loss;
  if (args.dlog_probs != nullptr) args.dlog_probs[i] = static_cast<float>(scale * slope);
  if (args.dentropies != nullptr) args.dentropies[i] = static_cast<float>(-scale * args.entropy_coef);
}

ATHANOR_INLINE void merge(PolicyTotals& all, const PolicyTotals& part) {
  all.loss += part.loss;
  all.clipped += part.clipped;
  all.approx_kl += part.approx_kl;
  all.ratio_sum += part.ratio_sum;
  all.ratio_max_deviation = larger_of(all.ratio_max_deviation, part.ratio_max_deviation);
  all.ratio_min = smaller_of(all.ratio_min, part.ratio_min);
  all.ratio_max = larger_of(all.ratio_max, part.ratio_max);
}

ATHANOR_INLINE void add_token(const ValueLossArgs& args, int64_t i, ValueTotals& total) {
  const double value = args.values[i], old_value = args.clip > 0 ? args.old_values[i] : 0.0f;
  const double error = value - args.returns[i];
  double loss = error * error, slope = error;
  if (args.clip > 0) {
    const double bounded = old_value + clamp(value - old_value, -args.clip, args.clip) - args.returns[i];
    // Written so that a NaN in the old value makes the loss NaN.
    if (!(bounded * bounded <= loss)) {
      loss = bounded * bounded;
      slope = 0;
      total.clipped += 1;
    }
  }
  total.loss += 0.5 * args.scale * loss;
  if (args.dvalues != nullptr) args.dvalues[i] = static_cast<float>(args.scale * slope);
}

ATHANOR_INLINE void merge(ValueTotals& all, const ValueTotals& part) {
  all.loss += part.loss;
  all.clipped += part.clipped;
}

}  // namespace athanor::policy
