#include "binding/convert.h"
#include "ops/bench.h"

namespace athanor::binding {
namespace {

const Family bench_family([](Exports& exports) {
  bind<&ops::measure_peak_flops, "measurePeakFlops(dtype)">(exports);
  bind<&ops::measure_copy_bandwidth, "measureCopyBandwidth()">(exports);
});

}  // namespace
}  // namespace athanor::binding
