#include "binding/convert.h"
#include "ops/bench.h"

namespace athanor::binding {
namespace {

const Family bench_family([](Exports& exports) {
  bind<&ops::measure_peak_flops>(exports, "measurePeakFlops");
  bind<&ops::measure_copy_bandwidth>(exports, "measureCopyBandwidth");
});

}  // namespace
}  // namespace athanor::binding
