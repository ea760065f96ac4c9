// Preference contract: losses over pairs of scores or of log-probabilities, or over rated answers.
// f32 data; pairs are few (thousands), so one thread takes them in order.
#pragma once

#include <cstdint>

#include "kernels/family.h"

namespace athanor {

enum class DpoKind { kSigmoid, kIpo, kHinge };

struct PreferenceTotals {
  double loss = 0;
  /// Pairs in the right order; answers on the right side of the baseline.
  double correct = 0;
};

struct RankingArgs {
  const float* scores;
  const int32_t* pairs;  // [pair_count, 2]: better, worse
  const float* margins;  // [pair_count] or null
  const float* weights;  // [pair_count] or null
  float* dscores;        // [score_count] or null
  int64_t score_count, pair_count;
  double centering, scale;
};

struct DpoArgs {
  const float* sums;       // [2 * pair_count]: chosen, then rejected
  const float* reference;  // the same
  float* rewards;          // the same: beta * (sums - reference)
  float* dsums;            // the same, or null
  int64_t pair_count;
  double beta, label_smoothing, scale;
  DpoKind kind;
};

struct KtoArgs {
  const float* sums;       // [count]
  const float* reference;  // [count]
  const float* weights;    // [count]: above 0 for a good answer, below 0 for a bad one
  float* rewards;          // [count]: beta * (sums - reference)
  float* dsums;            // [count] or null
  int64_t count;
  double beta, baseline, scale;
};

struct PreferenceKernels {
  PreferenceTotals (*ranking_loss)(const RankingArgs& args);
  PreferenceTotals (*dpo_loss)(const DpoArgs& args);
  PreferenceTotals (*kto_loss)(const KtoArgs& args);
};
ATHANOR_KERNEL_FAMILY(PreferenceKernels, preference_kernels)

}  // namespace athanor
