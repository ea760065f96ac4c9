#include "binding/convert.h"
#include "ops/linear.h"

ATHANOR_WORDS(athanor::Activation, {"none", athanor::Activation::kNone}, {"gelu", athanor::Activation::kGelu})
ATHANOR_FIELDS(athanor::ops::LinearForwardInputs, x, weight, bias, activation, save_preactivation, addend)

namespace athanor::binding {
namespace {

const Family linear_family([](Exports& exports) {
  bind<&ops::linear_forward>(exports, "linearForward");
  bind<&ops::linear_backward_input>(exports, "linearBackwardInput");
  bind<&ops::linear_backward_weight>(exports, "linearBackwardWeight");
  bind<&ops::gemm>(exports, "gemm");
});

}  // namespace
}  // namespace athanor::binding
