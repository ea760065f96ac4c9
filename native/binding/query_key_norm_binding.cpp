#include "ops/query_key_norm.h"

#include "binding/convert.h"

ATHANOR_FIELDS(athanor::ops::QueryKeyNormForwardInputs, qkv, query_gain, key_gain, heads, kv_heads, eps,
               gain_offset)
ATHANOR_FIELDS(athanor::ops::QueryKeyNormBackwardInputs, dy, queries, keys, query_gain, key_gain, query_rstd,
               key_rstd, dquery_gain, dkey_gain, gain_offset)

namespace athanor::binding {
namespace {

const Family query_key_norm_family([](Exports& exports) {
  bind<&ops::query_key_norm_forward, "queryKeyNormForward(inputs)">(exports);
  bind<&ops::query_key_norm_backward, "queryKeyNormBackward(inputs)">(exports);
});

}  // namespace
}  // namespace athanor::binding
