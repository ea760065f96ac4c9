#include "binding/convert.h"
#include "ops/policy.h"

namespace athanor::binding {

void register_policy(Napi::Object exports) {
  bind<&ops::gae>(exports, "gae");
  bind<&ops::whiten>(exports, "whiten");
  bind<&ops::kl_penalty>(exports, "klPenalty");
  bind<&ops::policy_loss>(exports, "policyLoss");
  bind<&ops::value_loss>(exports, "valueLoss");
}

}  // namespace athanor::binding
