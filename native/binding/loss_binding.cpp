#include "binding/convert.h"
#include "ops/loss.h"

namespace athanor::binding {

void register_loss(Napi::Object exports) {
  bind<&ops::linear_cross_entropy>(exports, "linearCrossEntropy");
  bind<&ops::linear_logits>(exports, "linearLogits");
  bind<&ops::linear_log_prob>(exports, "linearLogProb");
  bind<&ops::linear_log_prob_backward>(exports, "linearLogProbBackward");
}

}  // namespace athanor::binding
