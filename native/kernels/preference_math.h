// One pair's or answer's part of the preference losses, in f64: the formulas of every backend.
#pragma once

#include <cmath>

#include "core/dtype.h"
#include "kernels/preference.h"

namespace athanor::preference {

/// log(1 + exp(x)) that neither overflows nor loses small results.
ATHANOR_INLINE double softplus(double x) { return (x > 0 ? x : 0.0) + std::log1p(std::exp(-std::fabs(x))); }
ATHANOR_INLINE double sigmoid(double x) { return 1 / (1 + std::exp(-x)); }

/// Gradients of a pair's two scores.
struct PairGradient {
  float better, worse;
};

ATHANOR_INLINE PairGradient add_ranking(const RankingArgs& args, int64_t p, PreferenceTotals& total) {
  const double better = args.scores[args.pairs[2 * p]], worse = args.scores[args.pairs[2 * p + 1]];
  const double difference = better - worse, sum = better + worse;
  const double lead = difference - (args.margins != nullptr ? args.margins[p] : 0.0f);
  const double weight = args.scale * (args.weights != nullptr ? args.weights[p] : 1.0f);
  total.loss += weight * (softplus(-lead) + args.centering * sum * sum);
  total.correct += difference > 0 ? 1 : 0;
  const double pull = weight * -sigmoid(-lead), center = weight * args.centering * 2 * sum;
  return {static_cast<float>(pull + center), static_cast<float>(center - pull)};
}

/// Loss of one pair by h, its lead over the reference in nats; `slope` is the derivative by h.
ATHANOR_INLINE double pair_loss(const DpoArgs& args, double h, double& slope) {
  switch (args.kind) {
    case DpoKind::kIpo: {
      const double miss = h - 0.5 / args.beta;
      slope = 2 * miss;
      return miss * miss;
    }
    case DpoKind::kHinge: {
      const double short_of = 1 - args.beta * h;
      // Not `> 0`, which would turn NaN into a loss of 0.
      const bool met = short_of <= 0;
      slope = met ? 0.0 : -args.beta;
      return met ? 0.0 : short_of;
    }
    default: {
      const double z = args.beta * h, flipped = args.label_smoothing;
      slope = args.beta * (flipped * sigmoid(z) - (1 - flipped) * sigmoid(-z));
      return (1 - flipped) * softplus(-z) + flipped * softplus(z);
    }
  }
}

/// Pair p's part of the totals, its rewards, and its gradients where they are wanted.
ATHANOR_INLINE void add_dpo(const DpoArgs& args, int64_t p, PreferenceTotals& total) {
  const int64_t m = args.pair_count;
  const double chosen = static_cast<double>(args.sums[p]) - args.reference[p];
  const double rejected = static_cast<double>(args.sums[m + p]) - args.reference[m + p];
  args.rewards[p] = static_cast<float>(args.beta * chosen);
  args.rewards[m + p] = static_cast<float>(args.beta * rejected);
  double slope = 0;
  total.loss += args.scale * pair_loss(args, chosen - rejected, slope);
  total.correct += chosen > rejected ? 1 : 0;
  if (args.dsums == nullptr) return;
  args.dsums[p] = static_cast<float>(args.scale * slope);
  args.dsums[m + p] = static_cast<float>(-args.scale * slope);
}

/// Answer i's part: |weight| (1 - sigmoid(beta (h - baseline))), mirrored for a bad answer.
ATHANOR_INLINE void add_kto(const KtoArgs& args, int64_t i, PreferenceTotals& total) {
  const double h = static_cast<double>(args.sums[i]) - args.reference[i];
  const double weight = args.scale * std::fabs(static_cast<double>(args.weights[i]));
  const double side = args.weights[i] < 0 ? -1.0 : 1.0;
  const double z = side * args.beta * (h - args.baseline);
  args.rewards[i] = static_cast<float>(args.beta * h);
  const double short_of = sigmoid(-z);
  total.loss += weight * short_of;
  total.correct += z > 0 ? 1 : 0;
  if (args.dsums == nullptr) return;
  args.dsums[i] = static_cast<float>(-weight * side * args.beta * short_of * sigmoid(z));
}

}  // namespace athanor::preference
