#include "binding/convert.h"
#include "binding/frozen_words.h"

namespace athanor::binding {
namespace {

const Family frozen_family([](Exports& exports) {
  bind<&ops::quantize_frozen, "quantizeFrozen(weight, format)">(exports);
  bind<&ops::dequantize_frozen, "dequantizeFrozen(weight, dtype)">(exports);
});

}  // namespace
}  // namespace athanor::binding
