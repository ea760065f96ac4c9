#include "binding/convert.h"
#include "ops/embedding.h"

namespace athanor::binding {
namespace {

const Family embedding_family([](Exports& exports) {
  bind<&ops::embedding_forward>(exports, "embeddingForward");
  bind<&ops::embedding_backward>(exports, "embeddingBackward");
});

}  // namespace
}  // namespace athanor::binding
