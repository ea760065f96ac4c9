#include "binding/convert.h"
#include "ops/attention.h"

ATHANOR_FIELDS(athanor::ops::AttentionBackwardInputs, dout, qkv, out, lse, cu_seqlens, heads, kv_heads, scale)
ATHANOR_FIELDS(athanor::ops::AttentionCachedInputs, qkv, keys, values, slots, cu_seqlens, past_lengths,
               max_tokens, heads, kv_heads, scale)

namespace athanor::binding {
namespace {

const Family attention_family([](Exports& exports) {
  bind<&ops::attention_forward>(exports, "attentionForward");
  bind<&ops::attention_backward>(exports, "attentionBackward");
  bind<&ops::kv_cache_create>(exports, "kvCacheCreate");
  bind<&ops::attention_cached>(exports, "attentionCached");
  bind<&ops::rope_table>(exports, "ropeTable");
  bind<&ops::rope>(exports, "rope");
});

}  // namespace
}  // namespace athanor::binding
