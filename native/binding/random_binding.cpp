#include "binding/convert.h"
#include "ops/random.h"

namespace athanor::binding {

void register_random(Napi::Object exports) {
  bind<&ops::normal_into>(exports, "normalInto");
  bind<&ops::uniform_into>(exports, "uniformInto");
}

}  // namespace athanor::binding
