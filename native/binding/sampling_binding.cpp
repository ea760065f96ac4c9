#include "binding/convert.h"
#include "ops/sampling.h"

namespace athanor::binding {

void register_sampling(Napi::Object exports) { bind<&ops::sample>(exports, "sample"); }

}  // namespace athanor::binding
