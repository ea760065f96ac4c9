// Weights in the blocks of GGUF: a scale and small integers for 32 weights, or for 256 with a scale
// per part of them. The bytes are those of ggml's reference quantizers, sum for sum.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace athanor::gguf {

enum class BlockType { kQ4_0, kQ4_1, kQ5_0, kQ5_1, kQ8_0, kQ4K, kQ5K, kQ6K };

struct BlockSize {
  size_t weights, bytes;
};
BlockSize size_of(BlockType type);

/// Writes the blocks of weights, on all threads. Throws ERR_ARGUMENT for sizes that are not whole
/// blocks or do not fit, and for the types that are only read: q4_1, q5_1 and q5_k.
void quantize_blocks(BlockType type, std::span<const float> values, std::span<uint8_t> blocks);
/// The weights of blocks. Throws ERR_ARGUMENT for sizes that do not fit.
void dequantize_blocks(BlockType type, std::span<const uint8_t> blocks, std::span<float> values);

}  // namespace athanor::gguf
