/** Types of blocks by their names in llama.cpp; native/gguf/blocks.h explains them. */
export type GgufBlockType = 'q4_0' | 'q4_1' | 'q5_0' | 'q5_1' | 'q8_0' | 'q4_k' | 'q5_k' | 'q6_k';

export interface GgufBinding {
  /** Writes the blocks of weights. The types q4_1, q5_1 and q5_k can only be read. */
  quantizeBlocks(type: GgufBlockType, values: Float32Array, blocks: Uint8Array): void;
  /** Writes the weights of blocks to `values`. */
  dequantizeBlocks(type: GgufBlockType, blocks: Uint8Array, values: Float32Array): void;
}
