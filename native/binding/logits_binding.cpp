#include "binding/convert.h"
#include "ops/logits.h"

namespace athanor::binding {
namespace {

const Family logits_family([](Exports& exports) {
  bind<&ops::token_log_probs>(exports, "tokenLogProbs");
  bind<&ops::top_tokens>(exports, "topTokens");
  bind<&ops::add_at>(exports, "addAt");
});

}  // namespace
}  // namespace athanor::binding
