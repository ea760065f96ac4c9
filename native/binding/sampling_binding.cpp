#include "binding/convert.h"
#include "ops/sampling.h"

ATHANOR_FIELDS(athanor::ops::SampleInputs, logits, temperature, top_k, top_p, min_p, repetition_penalty,
               history, suppressed, allowed, seed, streams, steps)

namespace athanor::binding {
namespace {

const Family sampling_family([](Exports& exports) { bind<&ops::sample, "sample(inputs)">(exports); });

}  // namespace
}  // namespace athanor::binding
