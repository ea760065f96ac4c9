#include "kernels/preference_math.h"

#include "cpu/loops.h"

namespace athanor::cpu::ATHANOR_ISA {
namespace {

PreferenceTotals ranking_loss(const RankingArgs& args) {
  PreferenceTotals total;
  if (args.dscores != nullptr) {
    for (int64_t i = 0; i < args.score_count; ++i) args.dscores[i] = 0;
  }
  for (int64_t p = 0; p < args.pair_count; ++p) {
    const preference::PairGradient gradient = preference::add_ranking(args, p, total);
    if (args.dscores == nullptr) continue;
    args.dscores[args.pairs[2 * p]] += gradient.better;
    args.dscores[args.pairs[2 * p + 1]] += gradient.worse;
  }
  return total;
}

PreferenceTotals dpo_loss(const DpoArgs& args) {
  PreferenceTotals total;
  for (int64_t p = 0; p < args.pair_count; ++p) preference::add_dpo(args, p, total);
  return total;
}

PreferenceTotals kto_loss(const KtoArgs& args) {
  PreferenceTotals total;
  for (int64_t i = 0; i < args.count; ++i) preference::add_kto(args, i, total);
  return total;
}

}  // namespace

constinit const PreferenceKernels preference_kernels_table =
    complete_table<PreferenceKernels>(ranking_loss, dpo_loss, kto_loss);

}  // namespace athanor::cpu::ATHANOR_ISA
