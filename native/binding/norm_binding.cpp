#include "binding/convert.h"
#include "ops/norm.h"

namespace athanor::binding {

void register_norm(Napi::Object exports) {
  bind<&ops::layer_norm_forward>(exports, "layerNormForward");
  bind<&ops::layer_norm_backward>(exports, "layerNormBackward");
  bind<&ops::rms_norm_forward>(exports, "rmsNormForward");
  bind<&ops::rms_norm_backward>(exports, "rmsNormBackward");
}

}  // namespace athanor::binding
