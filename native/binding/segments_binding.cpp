#include "binding/convert.h"
#include "ops/segments.h"

namespace athanor::binding {
namespace {

const Family segments_family([](Exports& exports) {
  bind<&ops::segment_sum, "segmentSum(x, starts)">(exports);
  bind<&ops::segment_broadcast, "segmentBroadcast(values, starts)">(exports);
});

}  // namespace
}  // namespace athanor::binding
