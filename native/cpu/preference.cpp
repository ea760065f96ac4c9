#include "kernels/preference.h"

#include <cmath>

#include "cpu/loops.h"

namespace athanor::cpu::ATHANOR_ISA {
namespace {

/// log(1 + exp(x)) that neither overflows nor loses small results.
ATHANOR_INLINE double softplus(double x) { return (x > 0 ? x : 0.0) + std::log1p(std::exp(-std::fabs(x))); }
ATHANOR_INLINE double sigmoid(double x) { return 1 / (1 + std::exp(-x)); }

PreferenceTotals ranking_loss(const RankingArgs& args) {
  PreferenceTotals total;
  if (args.dscores != nullptr) {
    for (int64_t i = 0; i < args.score_count; ++i) args.dscores[i] = 0;
  }
  for (int64_t p = 0; p < args.pair_count; ++p) {
    const int32_t better = args.pairs[2 * p], worse = args.pairs[2 * p + 1];
    const double difference = static_cast<double>(args.scores[better]) - args.scores[worse];
    const double sum = static_cast<double>(args.scores[better]) + args.scores[worse];
    const double lead = difference - (args.margins != nullptr ? args.margins[p] : 0.0f);
    const double weight = args.scale * (args.weights != nullptr ? args.weights[p] : 1.0f);
    total.loss += weight * (softplus(-lead) + args.centering * sum * sum);
    total.correct += difference > 0 ? 1 : 0;
    if (args.dscores == nullptr) continue;
    const double pull = weight * -sigmoid(-lead), center = weight * args.centering * 2 * sum;
    args.dscores[better] += static_cast<float>(pull + center);
    args.dscores[worse] += static_cast<float>(center - pull);
  }
  return total;
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
      // Not `> 0`, which would make a loss of nothing out of NaN.
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

PreferenceTotals dpo_loss(const DpoArgs& args) {
  PreferenceTotals total;
  const int64_t m = args.pair_count;
  for (int64_t i = 0; i < 2 * m; ++i) {
    args.rewards[i] = static_cast<float>(args.beta * (static_cast<double>(args.sums[i]) - args.reference[i]));
  }
  for (int64_t p = 0; p < m; ++p) {
    const double chosen = static_cast<double>(args.sums[p]) - args.reference[p];
    const double rejected = static_cast<double>(args.sums[m + p]) - args.reference[m + p];
    double slope = 0;
    total.loss += args.scale * pair_loss(args, chosen - rejected, slope);
    total.correct += chosen > rejected ? 1 : 0;
    if (args.dsums == nullptr) continue;
    args.dsums[p] = static_cast<float>(args.scale * slope);
    args.dsums[m + p] = static_cast<float>(-args.scale * slope);
  }
  return total;
}

}  // namespace

const PreferenceKernels preference_kernels_table = {ranking_loss, dpo_loss};

}  // namespace athanor::cpu::ATHANOR_ISA
