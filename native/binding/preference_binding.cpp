#include "binding/convert.h"
#include "ops/preference.h"

namespace athanor::binding {

void register_preference(Napi::Object exports) {
  bind<&ops::ranking_loss>(exports, "rankingLoss");
  bind<&ops::dpo_loss>(exports, "dpoLoss");
}

}  // namespace athanor::binding
