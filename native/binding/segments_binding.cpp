#include "binding/convert.h"
#include "ops/segments.h"

namespace athanor::binding {

void register_segments(Napi::Object exports) {
  bind<&ops::segment_sum>(exports, "segmentSum");
  bind<&ops::segment_broadcast>(exports, "segmentBroadcast");
}

}  // namespace athanor::binding
