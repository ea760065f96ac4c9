#include "binding/convert.h"
#include "ops/segments.h"

namespace athanor::binding {
namespace {

const Family segments_family([](Exports& exports) {
  bind<&ops::segment_sum>(exports, "segmentSum");
  bind<&ops::segment_broadcast>(exports, "segmentBroadcast");
});

}  // namespace
}  // namespace athanor::binding
