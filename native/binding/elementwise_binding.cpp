#include "binding/convert.h"
#include "ops/elementwise.h"

namespace athanor::binding {
namespace {

const Family elementwise_family([](Exports& exports) {
  bind<&ops::axpby, "axpby(a, alpha, b, beta)">(exports);
  bind<&ops::axpby_into, "axpbyInto(target, a, alpha, b, beta)">(exports);
  bind<&ops::add_scaled_into, "addScaledInto(target, source, alpha)">(exports);
  bind<&ops::lerp_into, "lerpInto(target, source, weight)">(exports);
  bind<&ops::scale, "scale(a, alpha)">(exports);
  bind<&ops::scale_into, "scaleInto(target, alpha)">(exports);
  bind<&ops::multiply, "multiply(a, b)">(exports);
  bind<&ops::full, "full(shape, dtype, value)">(exports);
  bind<&ops::fill_into, "fillInto(target, value)">(exports);
  bind<&ops::cast, "cast(a, dtype)">(exports);
  bind<&ops::sum, "sum(a)">(exports);
  bind<&ops::copy_into, "copyInto(target, source)">(exports);
});

}  // namespace
}  // namespace athanor::binding
