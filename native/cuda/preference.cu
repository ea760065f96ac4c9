// A pair a thread. A score may be in many pairs: its gradient is added up in the order of the pairs by
// scatter.h.
#include "kernels/preference.h"

#include "cuda/scatter.h"
#include "cuda/totals.h"

namespace athanor::cuda {
namespace {

/// log(1 + exp(x)) that neither overflows nor loses small results.
__device__ __forceinline__ double softplus(double x) { return (x > 0 ? x : 0.0) + log1p(exp(-fabs(x))); }
__device__ __forceinline__ double sigmoid(double x) { return 1 / (1 + exp(-x)); }

ATHANOR_INLINE void merge_pairs(PreferenceTotals& all, const PreferenceTotals& part) {
  all.loss += part.loss;
  all.correct += part.correct;
}

struct RankingLoss {
  RankingArgs args;
  float* dpairs;  // [pair_count, 2] or null

  __device__ void operator()(PreferenceTotals& total, int64_t p) const {
    const float better = args.scores[args.pairs[2 * p]], worse = args.scores[args.pairs[2 * p + 1]];
    const double difference = static_cast<double>(better) - worse;
    const double sum = static_cast<double>(better) + worse;
    const double lead = difference - (args.margins != nullptr ? args.margins[p] : 0.0f);
    const double weight = args.scale * (args.weights != nullptr ? args.weights[p] : 1.0f);
    total.loss += weight * (softplus(-lead) + args.centering * sum * sum);
    total.correct += difference > 0 ? 1 : 0;
    if (dpairs == nullptr) return;
    const double pull = weight * -sigmoid(-lead), center = weight * args.centering * 2 * sum;
    dpairs[2 * p] = static_cast<float>(pull + center);
    dpairs[2 * p + 1] = static_cast<float>(center - pull);
  }

  ATHANOR_INLINE void merge(PreferenceTotals& all, const PreferenceTotals& part) { merge_pairs(all, part); }
};

PreferenceTotals ranking_loss(const RankingArgs& args) {
  const int64_t ends = 2 * args.pair_count;
  const bool wants_gradient = args.dscores != nullptr;
  const Scratch memory(wants_gradient ? static_cast<size_t>(ends) * sizeof(float) : 0);
  float* const dpairs = wants_gradient ? memory.as<float>() : nullptr;
  const auto total = totals<PreferenceTotals>(args.pair_count, RankingLoss{args, dpairs});
  if (wants_gradient) {
    fill_zero(args.dscores, static_cast<size_t>(args.score_count) * sizeof(float));
    scatter_add(args.dscores, dpairs, args.pairs, ends, 1);
  }
  return total;
}

struct DpoLoss {
  DpoArgs args;

  /// Loss of one pair by h, its lead over the reference in nats; `slope` is the derivative by h.
  __device__ double pair_loss(double h, double& slope) const {
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

  __device__ void operator()(PreferenceTotals& total, int64_t p) const {
    const int64_t m = args.pair_count;
    const double chosen = static_cast<double>(args.sums[p]) - args.reference[p];
    const double rejected = static_cast<double>(args.sums[m + p]) - args.reference[m + p];
    args.rewards[p] = static_cast<float>(args.beta * chosen);
    args.rewards[m + p] = static_cast<float>(args.beta * rejected);
    double slope = 0;
    total.loss += args.scale * pair_loss(chosen - rejected, slope);
    total.correct += chosen > rejected ? 1 : 0;
    if (args.dsums == nullptr) return;
    args.dsums[p] = static_cast<float>(args.scale * slope);
    args.dsums[m + p] = static_cast<float>(-args.scale * slope);
  }

  ATHANOR_INLINE void merge(PreferenceTotals& all, const PreferenceTotals& part) { merge_pairs(all, part); }
};

PreferenceTotals dpo_loss(const DpoArgs& args) {
  return totals<PreferenceTotals>(args.pair_count, DpoLoss{args});
}

}  // namespace

const PreferenceKernels& preference_kernels() {
  static constexpr PreferenceKernels kTable = {ranking_loss, dpo_loss};
  return kTable;
}

}  // namespace athanor::cuda
