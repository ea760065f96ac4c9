#include "binding/convert.h"
#include "ops/softmax.h"

namespace athanor::binding {
namespace {

const Family softmax_family([](Exports& exports) {
  bind<&ops::softmax_forward, "softmaxForward(x)">(exports);
  bind<&ops::softmax_backward, "softmaxBackward(dy, y)">(exports);
});

}  // namespace
}  // namespace athanor::binding
