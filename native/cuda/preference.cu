// A thread per pair. A score may be in many pairs: scatter.h adds up its gradient in the order
// of the pairs.
#include "kernels/preference_math.h"

#include "cuda/scatter.h"
#include "cuda/totals.h"

namespace athanor::cuda {
namespace {

ATHANOR_INLINE void merge_pairs(PreferenceTotals& all, const PreferenceTotals& part) {
  all.loss += part.loss;
  all.correct += part.correct;
}

struct RankingLoss {
  RankingArgs args;
  float* dpairs;  // [pair_count, 2] or null

  __device__ void operator()(PreferenceTotals& total, int64_t p) const {
    const preference::PairGradient gradient = preference::add_ranking(args, p, total);
    if (dpairs == nullptr) return;
    dpairs[2 * p] = gradient.better;
    dpairs[2 * p + 1] = gradient.worse;
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

  __device__ void operator()(PreferenceTotals& total, int64_t p) const {
    preference::add_dpo(args, p, total);
  }

  ATHANOR_INLINE void merge(PreferenceTotals& all, const PreferenceTotals& part) { merge_pairs(all, part); }
};

PreferenceTotals dpo_loss(const DpoArgs& args) {
  return totals<PreferenceTotals>(args.pair_count, DpoLoss{args});
}

struct KtoLoss {
  KtoArgs args;

  __device__ void operator()(PreferenceTotals& total, int64_t i) const {
    preference::add_kto(args, i, total);
  }

  ATHANOR_INLINE void merge(PreferenceTotals& all, const PreferenceTotals& part) { merge_pairs(all, part); }
};

PreferenceTotals kto_loss(const KtoArgs& args) { return totals<PreferenceTotals>(args.count, KtoLoss{args}); }

}  // namespace

const PreferenceKernels& preference_kernels() {
  static constexpr auto kTable = complete_table<PreferenceKernels>(ranking_loss, dpo_loss, kto_loss);
  return kTable;
}

}  // namespace athanor::cuda
