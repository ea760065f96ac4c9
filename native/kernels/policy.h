// Policy contract: the losses and estimates of PPO and GRPO, over one number per response token.
// Everything is f32 and ragged: the `count` numbers of all responses end to end, and `starts` says
// where each response begins. Sums are f64: each chunk's first, then the chunks in order.
#pragma once

#include <cstdint>

#include "kernels/family.h"

namespace athanor {

enum class KlEstimator { kK1, kK2, kK3 };

struct PolicyLossArgs {
  const float* log_probs;
  const float* old_log_probs;
  const float* advantages;
  const float* entropies;            // null: no entropy bonus
  const float* reference_log_probs;  // null: no KL term
  const float* weights;              // null: all 1
  float* dlog_probs;                 // null: no gradients
  float* dentropies;                 // null: not wanted
  int64_t count;
  double clip_low, clip_high;
  double dual_clip;  // 0: none
  double entropy_coef, kl_coef, scale;
};

struct ValueLossArgs {
  float* dvalues;  // null: no gradients
  const float* values;
  const float* old_values;
  const float* returns;
  int64_t count;
  double clip;  // 0: none
  double scale;
};

struct GaeArgs {
  float* advantages;
  float* returns;
  const float* rewards;
  const float* values;
  const int32_t* starts;  // [sequences + 1]
  int64_t sequences;
  double gamma, lambda;
};

struct PolicyTotals {
  double loss = 0;
  /// Tokens where the clipped branch is strictly the larger loss.
  double clipped = 0;
  /// Sum of half the squared log-ratio.
  double approx_kl = 0;
  double ratio_sum = 0;
  double ratio_max_deviation = 0;
  double ratio_min = __builtin_inf();
  double ratio_max = -__builtin_inf();
};

struct ValueTotals {
  double loss = 0;
  double clipped = 0;
};

struct PolicyKernels {
  /// From the last token of each sequence back: delta = reward + gamma next_value - value,
  /// advantage = delta + gamma lambda next_advantage; both "next" are 0 after the last. returns =
  /// advantage + value.
  void (*gae)(const GaeArgs& args);
  /// mean and biased variance
  void (*moments)(const float* x, int64_t count, double* mean, double* variance);
  /// out = (x - center) * factor + shift
  void (*affine)(float* out, const float* x, int64_t count, double center, double factor, double shift);
  /// The estimate per token; see ops/policy.h for the formulas.
  void (*kl_penalty)(float* out, const float* log_probs, const float* reference_log_probs, int64_t count,
                     KlEstimator estimator);
  PolicyTotals (*policy_loss)(const PolicyLossArgs& args);
  ValueTotals (*value_loss)(const ValueLossArgs& args);
};
ATHANOR_KERNEL_FAMILY(PolicyKernels, policy_kernels)

}  // namespace athanor
