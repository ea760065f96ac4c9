#include "binding/convert.h"
#include "ops/random.h"

namespace athanor::binding {
namespace {

const Family random_family([](Exports& exports) {
  bind<&ops::normal_into>(exports, "normalInto");
  bind<&ops::uniform_into>(exports, "uniformInto");
});

}  // namespace
}  // namespace athanor::binding
