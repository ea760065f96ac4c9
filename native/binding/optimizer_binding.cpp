#include "binding/convert.h"
#include "ops/optimizer.h"

ATHANOR_FIELDS(athanor::ops::AdamwInputs, parameters, gradients, first, second, weight_decay, lr, beta1,
               beta2, eps, step, gradient_scale, seed)

namespace athanor::binding {
namespace {

const Family optimizer_family([](Exports& exports) {
  bind<&ops::adamw_step, "adamwStep(inputs)">(exports);
  bind<&ops::global_norm, "globalNorm(tensors)">(exports);
});

}  // namespace
}  // namespace athanor::binding
