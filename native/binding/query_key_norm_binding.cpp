#include "binding/convert.h"
#include "ops/query_key_norm.h"

namespace athanor::binding {

void register_query_key_norm(Napi::Object exports) {
  bind<&ops::query_key_norm_forward>(exports, "queryKeyNormForward");
  bind<&ops::query_key_norm_backward>(exports, "queryKeyNormBackward");
}

}  // namespace athanor::binding
