#include "binding/convert.h"
#include "ops/softmax.h"

namespace athanor::binding {
namespace {

const Family softmax_family([](Exports& exports) {
  bind<&ops::softmax_forward>(exports, "softmaxForward");
  bind<&ops::softmax_backward>(exports, "softmaxBackward");
});

}  // namespace
}  // namespace athanor::binding
