#include "binding/convert.h"
#include "ops/embedding.h"

namespace athanor::binding {

void register_embedding(Napi::Object exports) {
  bind<&ops::embedding_forward>(exports, "embeddingForward");
  bind<&ops::embedding_backward>(exports, "embeddingBackward");
}

}  // namespace athanor::binding
