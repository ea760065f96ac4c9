#include "binding/convert.h"
#include "ops/bench.h"

namespace athanor::binding {

void register_bench(Napi::Object exports) {
  bind<&ops::measure_peak_flops>(exports, "measurePeakFlops");
  bind<&ops::measure_copy_bandwidth>(exports, "measureCopyBandwidth");
}

}  // namespace athanor::binding
