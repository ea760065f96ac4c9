#include "binding/activation_words.h"
#include "binding/convert.h"
#include "ops/linear.h"

ATHANOR_FIELDS(athanor::ops::LinearForwardInputs, x, weight, bias, activation, save_preactivation, addend)

namespace athanor::binding {
namespace {

const Family linear_family([](Exports& exports) {
  bind<&ops::linear_forward, "linearForward(inputs)">(exports);
  bind<&ops::linear_backward_input, "linearBackwardInput(dy, weight, preactivation, addend)">(exports);
  bind<&ops::linear_backward_weight, "linearBackwardWeight(dy, x, dweight, dbias, overwrite)">(exports);
  bind<&ops::release_packed, "releasePacked(weight)">(exports);
  bind<&ops::gemm, "gemm(a, b, aTransposed, bTransposed, outDtype)">(exports);
});

}  // namespace
}  // namespace athanor::binding
