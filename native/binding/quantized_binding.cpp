#include "binding/activation_words.h"
#include "binding/convert.h"
#include "ops/quantized.h"

ATHANOR_FIELDS(athanor::ops::QuantizedLinearInputs, x, weight, outputs, bias, activation, addend, dtype)

namespace athanor::binding {
namespace {

const Family quantized_family([](Exports& exports) {
  bind<&ops::quantize_weight, "quantizeWeight(weight)">(exports);
  bind<&ops::quantized_linear, "quantizedLinear(inputs)">(exports);
});

}  // namespace
}  // namespace athanor::binding
