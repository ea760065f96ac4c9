#include "binding/convert.h"
#include "ops/norm.h"

ATHANOR_FIELDS(athanor::ops::LayerNormBackwardInputs, dy, dsum, sum, weight, mean, rstd, dweight, dbias)
ATHANOR_FIELDS(athanor::ops::RmsNormBackwardInputs, dy, dsum, sum, weight, rstd, dweight)

namespace athanor::binding {
namespace {

const Family norm_family([](Exports& exports) {
  bind<&ops::layer_norm_forward>(exports, "layerNormForward");
  bind<&ops::layer_norm_backward>(exports, "layerNormBackward");
  bind<&ops::rms_norm_forward>(exports, "rmsNormForward");
  bind<&ops::rms_norm_backward>(exports, "rmsNormBackward");
});

}  // namespace
}  // namespace athanor::binding
