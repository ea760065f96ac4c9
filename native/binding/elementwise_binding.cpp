#include "binding/convert.h"
#include "ops/elementwise.h"

namespace athanor::binding {
namespace {

const Family elementwise_family([](Exports& exports) {
  bind<&ops::axpby>(exports, "axpby");
  bind<&ops::add_scaled_into>(exports, "addScaledInto");
  bind<&ops::lerp_into>(exports, "lerpInto");
  bind<&ops::scale>(exports, "scale");
  bind<&ops::scale_into>(exports, "scaleInto");
  bind<&ops::multiply>(exports, "multiply");
  bind<&ops::full>(exports, "full");
  bind<&ops::fill_into>(exports, "fillInto");
  bind<&ops::cast>(exports, "cast");
  bind<&ops::sum>(exports, "sum");
  bind<&ops::copy_into>(exports, "copyInto");
});

}  // namespace
}  // namespace athanor::binding
