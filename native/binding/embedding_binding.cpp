#include "binding/convert.h"
#include "ops/embedding.h"

namespace athanor::binding {
namespace {

const Family embedding_family([](Exports& exports) {
  bind<&ops::embedding_forward, "embeddingForward(tokens, positions, tokenTable, positionTable, dtype)">(
      exports);
  bind<&ops::embedding_backward, "embeddingBackward(dy, tokens, positions, dtokenTable, dpositionTable)">(
      exports);
});

}  // namespace
}  // namespace athanor::binding
