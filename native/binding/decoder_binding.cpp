#include "binding/convert.h"
#include "ops/decoder.h"

namespace athanor::binding {
namespace {

const Family family([](Exports& exports) { bind<&ops::decoder_cached>(exports, "decoderCached"); });

}  // namespace
}  // namespace athanor::binding
