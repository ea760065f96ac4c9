#include "binding/convert.h"
#include "ops/logits.h"

namespace athanor::binding {
namespace {

const Family logits_family([](Exports& exports) {
  bind<&ops::token_log_probs, "tokenLogProbs(logits, tokens, temperature)">(exports);
  bind<&ops::top_tokens, "topTokens(logits, count)">(exports);
  bind<&ops::cap_logits, "capLogits(logits, softcap)">(exports);
  bind<&ops::add_at, "addAt(logits, tokens, values)">(exports);
});

}  // namespace
}  // namespace athanor::binding
