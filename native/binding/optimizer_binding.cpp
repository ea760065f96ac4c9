#include "binding/convert.h"
#include "ops/optimizer.h"

namespace athanor::binding {

void register_optimizer(Napi::Object exports) {
  bind<&ops::adamw_step>(exports, "adamwStep");
  bind<&ops::global_norm>(exports, "globalNorm");
}

}  // namespace athanor::binding
