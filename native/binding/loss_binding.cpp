#include "binding/convert.h"
#include "ops/loss.h"

ATHANOR_FIELDS(athanor::ops::CrossEntropyInputs, x, weight, targets, token_weights, scale, need_gradient,
               weight_frozen, dweight_memory, softcap)
ATHANOR_FIELDS(athanor::ops::LogProbBackwardInputs, x, weight, targets, temperature, dlog_probs, dentropies,
               dweight, overwrite, softcap)

namespace athanor::binding {
namespace {

const Family loss_family([](Exports& exports) {
  bind<&ops::linear_cross_entropy, "linearCrossEntropy(inputs)">(exports);
  bind<&ops::linear_logits, "linearLogits(x, weight, softcap)">(exports);
  bind<&ops::linear_log_prob, "linearLogProb(x, weight, targets, temperature, softcap)">(exports);
  bind<&ops::linear_log_prob_backward, "linearLogProbBackward(inputs)">(exports);
});

}  // namespace
}  // namespace athanor::binding
