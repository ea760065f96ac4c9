#include "binding/convert.h"
#include "ops/decoder.h"

namespace athanor::binding {

void register_decoder(Napi::Object exports) { bind<&ops::decoder_cached>(exports, "decoderCached"); }

}  // namespace athanor::binding
