#include "binding/convert.h"
#include "ops/random.h"

namespace athanor::binding {
namespace {

const Family random_family([](Exports& exports) {
  bind<&ops::normal_into, "normalInto(target, mean, std, seed, stream)">(exports);
  bind<&ops::uniform_into, "uniformInto(target, low, high, seed, stream)">(exports);
});

}  // namespace
}  // namespace athanor::binding
