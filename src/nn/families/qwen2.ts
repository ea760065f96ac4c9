/** Qwen2 and Qwen2.5, dense (Yang et al., 2024): Llama with biases on queries, keys and values. */
import type { Family } from './family.ts';
import { writeOptionalWindows } from './layer-types.ts';
import { llamaStructure, llamaTensors, readLlamaShape, writeLlamaShape } from './llama.ts';
import { withWindows } from './qwen3.ts';

export const qwen2: Family = {
  name: 'qwen2',
  classNames: { 'language-model': 'Qwen2ForCausalLM', score: 'Qwen2ForSequenceClassification' },
  readConfig(fields) {
    const { rope, sizes } = readLlamaShape(fields, { maxPositions: 32_768 });
    // No field of config.json describes these biases; the class in transformers has them.
    const biases = { qkvBias: true, outputBias: false, mlpBias: false };
    const { blocks, ...structure } = llamaStructure(rope, biases);
    return {
      ...structure,
      ...sizes,
      blocks: withWindows(fields, sizes.layers, blocks[0]),
      architecture: 'qwen2',
    };
  },
  writeConfig: (config) => ({
    ...writeLlamaShape(config),
    attention_dropout: 0,
    ...writeOptionalWindows(config),
  }),
  tensors: llamaTensors,
};
