#include "binding/convert.h"
#include "ops/policy.h"

ATHANOR_WORDS(athanor::KlEstimator, {"k1", athanor::KlEstimator::kK1}, {"k2", athanor::KlEstimator::kK2},
              {"k3", athanor::KlEstimator::kK3})
ATHANOR_FIELDS(athanor::ops::PolicyLossInputs, log_probs, old_log_probs, advantages, entropies,
               reference_log_probs, weights, clip_low, clip_high, dual_clip, entropy_coef, kl_coef, scale,
               need_gradient)

namespace athanor::binding {
namespace {

const Family policy_family([](Exports& exports) {
  bind<&ops::gae, "gae(rewards, values, starts, gamma, lambda)">(exports);
  bind<&ops::whiten, "whiten(x, shiftMean)">(exports);
  bind<&ops::kl_penalty, "klPenalty(logProbs, referenceLogProbs, estimator)">(exports);
  bind<&ops::policy_loss, "policyLoss(inputs)">(exports);
  bind<&ops::value_loss, "valueLoss(values, oldValues, returns, clip, scale, needGradient)">(exports);
});

}  // namespace
}  // namespace athanor::binding
