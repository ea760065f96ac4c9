#include "binding/convert.h"
#include "ops/activation.h"

namespace athanor::binding {
namespace {

const Family activation_family([](Exports& exports) {
  bind<&ops::gelu_forward, "geluForward(x)">(exports);
  bind<&ops::gelu_backward, "geluBackward(dy, x)">(exports);
  bind<&ops::gelu_erf_forward, "geluErfForward(x)">(exports);
  bind<&ops::gelu_erf_backward, "geluErfBackward(dy, x)">(exports);
  bind<&ops::swiglu_forward, "swigluForward(gateUp)">(exports);
  bind<&ops::swiglu_backward, "swigluBackward(dy, gateUp)">(exports);
  bind<&ops::geglu_forward, "gegluForward(gateUp)">(exports);
  bind<&ops::geglu_backward, "gegluBackward(dy, gateUp)">(exports);
  bind<&ops::relu_forward, "reluForward(x)">(exports);
  bind<&ops::relu_backward, "reluBackward(dy, y)">(exports);
  bind<&ops::tanh_forward, "tanhForward(x)">(exports);
  bind<&ops::tanh_backward, "tanhBackward(dy, y)">(exports);
  bind<&ops::sigmoid_forward, "sigmoidForward(x)">(exports);
  bind<&ops::sigmoid_backward, "sigmoidBackward(dy, y)">(exports);
});

}  // namespace
}  // namespace athanor::binding
