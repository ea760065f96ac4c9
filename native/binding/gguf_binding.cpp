#include "binding/convert.h"
#include "gguf/blocks.h"

ATHANOR_WORDS(athanor::gguf::BlockType, {"q4_0", athanor::gguf::BlockType::kQ4_0},
              {"q4_1", athanor::gguf::BlockType::kQ4_1}, {"q5_0", athanor::gguf::BlockType::kQ5_0},
              {"q5_1", athanor::gguf::BlockType::kQ5_1}, {"q8_0", athanor::gguf::BlockType::kQ8_0},
              {"q4_k", athanor::gguf::BlockType::kQ4K}, {"q5_k", athanor::gguf::BlockType::kQ5K},
              {"q6_k", athanor::gguf::BlockType::kQ6K})

namespace athanor::binding {
namespace {

const Family gguf_family([](Exports& exports) {
  bind<&gguf::quantize_blocks, "quantizeBlocks(type, values, blocks)">(exports);
  bind<&gguf::dequantize_blocks, "dequantizeBlocks(type, blocks, values)">(exports);
});

}  // namespace
}  // namespace athanor::binding
