#include "binding/convert.h"
#include "ops/attention.h"

namespace athanor::binding {

void register_attention(Napi::Object exports) {
  bind<&ops::attention_forward>(exports, "attentionForward");
  bind<&ops::attention_backward>(exports, "attentionBackward");
  bind<&ops::kv_cache_create>(exports, "kvCacheCreate");
  bind<&ops::attention_cached>(exports, "attentionCached");
  bind<&ops::rope_table>(exports, "ropeTable");
  bind<&ops::rope>(exports, "rope");
}

}  // namespace athanor::binding
