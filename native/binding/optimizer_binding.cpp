#include "binding/convert.h"
#include "ops/optimizer.h"

ATHANOR_FIELDS(athanor::ops::AdamwInputs, parameters, gradients, first, second, weight_decay, place, begin,
               lr, beta1, beta2, eps, step, gradient_scale, seed)

namespace athanor::binding {
namespace {

PackedNumbers<double> squares_by_chunk(const std::vector<Tensor>& tensors) {
  return {ops::squares_by_chunk(tensors)};
}

const Family optimizer_family([](Exports& exports) {
  bind<&ops::adamw_step, "adamwStep(inputs)">(exports);
  bind<&squares_by_chunk, "squaresByChunk(tensors)">(exports);
});

}  // namespace
}  // namespace athanor::binding
