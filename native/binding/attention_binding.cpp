#include "binding/convert.h"
#include "ops/attention.h"

ATHANOR_FIELDS(athanor::ops::AttentionForwardInputs, qkv, cu_seqlens, heads, kv_heads, scale, window, softcap)
ATHANOR_FIELDS(athanor::ops::AttentionBackwardInputs, dout, qkv, out, lse, cu_seqlens, heads, kv_heads, scale,
               window, softcap)
ATHANOR_FIELDS(athanor::ops::AttentionCachedInputs, qkv, keys, values, slots, cu_seqlens, past_lengths,
               max_tokens, heads, kv_heads, scale, window, softcap)

namespace athanor::binding {
namespace {

const Family attention_family([](Exports& exports) {
  bind<&ops::attention_forward, "attentionForward(inputs)">(exports);
  bind<&ops::attention_backward, "attentionBackward(inputs)">(exports);
  bind<&ops::kv_cache_create, "kvCacheCreate(slots, maxTokens, kvHeads, headDim, dtype)">(exports);
  bind<&ops::attention_cached, "attentionCached(inputs)">(exports);
  bind<&ops::rope_table, "ropeTable(maxPositions, width, theta, frequencies, magnitude)">(exports);
  bind<&ops::rope, "rope(qkv, positions, table, heads, kvHeads, inverse)">(exports);
});

}  // namespace
}  // namespace athanor::binding
