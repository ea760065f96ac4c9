#include "binding/convert.h"
#include "ops/activation.h"

namespace athanor::binding {
namespace {

const Family activation_family([](Exports& exports) {
  bind<&ops::gelu_forward>(exports, "geluForward");
  bind<&ops::gelu_backward>(exports, "geluBackward");
  bind<&ops::swiglu_forward>(exports, "swigluForward");
  bind<&ops::swiglu_backward>(exports, "swigluBackward");
  bind<&ops::relu_forward>(exports, "reluForward");
  bind<&ops::relu_backward>(exports, "reluBackward");
  bind<&ops::tanh_forward>(exports, "tanhForward");
  bind<&ops::tanh_backward>(exports, "tanhBackward");
  bind<&ops::sigmoid_forward>(exports, "sigmoidForward");
  bind<&ops::sigmoid_backward>(exports, "sigmoidBackward");
});

}  // namespace
}  // namespace athanor::binding
