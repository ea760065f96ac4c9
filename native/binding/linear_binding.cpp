#include "binding/convert.h"
#include "ops/linear.h"

namespace athanor::binding {

void register_linear(Napi::Object exports) {
  bind<&ops::linear_forward>(exports, "linearForward");
  bind<&ops::linear_backward_input>(exports, "linearBackwardInput");
  bind<&ops::linear_backward_weight>(exports, "linearBackwardWeight");
  bind<&ops::gemm>(exports, "gemm");
}

}  // namespace athanor::binding
