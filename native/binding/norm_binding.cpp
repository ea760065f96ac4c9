#include "binding/convert.h"
#include "ops/norm.h"

ATHANOR_FIELDS(athanor::ops::LayerNormBackwardInputs, dy, dsum, sum, weight, mean, rstd, dweight, dbias)
ATHANOR_FIELDS(athanor::ops::RmsNormBackwardInputs, dy, dsum, sum, weight, rstd, dweight, weight_offset)

namespace athanor::binding {
namespace {

const Family norm_family([](Exports& exports) {
  bind<&ops::layer_norm_forward, "layerNormForward(x, delta, weight, bias, eps)">(exports);
  bind<&ops::layer_norm_backward, "layerNormBackward(inputs)">(exports);
  bind<&ops::rms_norm_forward, "rmsNormForward(x, delta, weight, eps, weightOffset)">(exports);
  bind<&ops::rms_norm_backward, "rmsNormBackward(inputs)">(exports);
});

}  // namespace
}  // namespace athanor::binding
