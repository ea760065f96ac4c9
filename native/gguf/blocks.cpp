#include "gguf/blocks.h"

#include <algorithm>

#include "core/error.h"
#include "core/thread_pool.h"
#include "gguf/codecs.h"

namespace athanor::gguf {
namespace {

struct Codec {
  BlockSize size;
  WriteBlock write;
  ReadBlock read;
};

const Codec& codec_of(BlockType type) {
  static constexpr Codec kQ4_0{{32, 18}, write_q4_0, read_q4_0}, kQ4_1{{32, 20}, nullptr, read_q4_1},
      kQ5_0{{32, 22}, write_q5_0, read_q5_0}, kQ5_1{{32, 24}, nullptr, read_q5_1},
      kQ8_0{{32, 34}, write_q8_0, read_q8_0}, kQ4K{{256, 144}, write_q4_k, read_q4_k},
      kQ5K{{256, 176}, nullptr, read_q5_k}, kQ6K{{256, 210}, write_q6_k, read_q6_k};
  switch (type) {
    case BlockType::kQ4_0: return kQ4_0;
    case BlockType::kQ4_1: return kQ4_1;
    case BlockType::kQ5_0: return kQ5_0;
    case BlockType::kQ5_1: return kQ5_1;
    case BlockType::kQ8_0: return kQ8_0;
    case BlockType::kQ4K: return kQ4K;
    case BlockType::kQ5K: return kQ5K;
    case BlockType::kQ6K: return kQ6K;
  }
  fail(ErrorCode::kInternal, "a type of block has no code");
}

size_t count_blocks(const Codec& codec, size_t weights, size_t bytes) {
  const size_t blocks = weights / codec.size.weights;
  expect(weights == blocks * codec.size.weights && bytes == blocks * codec.size.bytes, ErrorCode::kArgument,
         "expected blocks of ", codec.size.weights, " weights in ", codec.size.bytes, " bytes but got ",
         weights, " weights and ", bytes, " bytes");
  return blocks;
}

/// Weights of one task.
constexpr size_t kTaskWeights = size_t{1} << 14;

template <class Body>
void for_blocks(const Codec& codec, size_t blocks, const Body& body) {
  const size_t each = kTaskWeights / codec.size.weights;
  parallel_for(static_cast<int64_t>((blocks + each - 1) / each), [&](int64_t task) {
    const size_t begin = static_cast<size_t>(task) * each, end = std::min(blocks, begin + each);
    for (size_t i = begin; i < end; ++i) body(i);
  });
}

}  // namespace

BlockSize size_of(BlockType type) { return codec_of(type).size; }

void quantize_blocks(BlockType type, std::span<const float> values, std::span<uint8_t> blocks) {
  const Codec& codec = codec_of(type);
  expect(codec.write != nullptr, ErrorCode::kArgument, "blocks of this type can only be read");
  for_blocks(codec, count_blocks(codec, values.size(), blocks.size()), [&](size_t i) {
    codec.write(values.data() + i * codec.size.weights, blocks.data() + i * codec.size.bytes);
  });
}

void dequantize_blocks(BlockType type, std::span<const uint8_t> blocks, std::span<float> values) {
  const Codec& codec = codec_of(type);
  for_blocks(codec, count_blocks(codec, values.size(), blocks.size()), [&](size_t i) {
    codec.read(blocks.data() + i * codec.size.bytes, values.data() + i * codec.size.weights);
  });
}

}  // namespace athanor::gguf
