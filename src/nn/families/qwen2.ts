/** Qwen2 and Qwen2.5, dense (Yang et al., 2024): Llama with biases on queries, keys and values. */
import type { Family } from './family.ts';
import { llamaStructure, llamaTensors, readLlamaSizes, writeLlamaSizes } from './llama.ts';

export const qwen2: Family = {
  name: 'qwen2',
  classNames: { 'language-model': 'Qwen2ForCausalLM', score: 'Qwen2ForSequenceClassification' },
  readConfig(fields) {
    fields.fullAttention();
    // No field of config.json describes these biases; the class in transformers has them.
    const biases = { qkvBias: true, outputBias: false, mlpBias: false };
    return {
      ...llamaStructure(fields.rope(), biases),
      ...readLlamaSizes(fields),
      architecture: 'qwen2',
    };
  },
  writeConfig: (config) => ({
    ...writeLlamaSizes(config),
    attention_dropout: 0,
    use_sliding_window: false,
    sliding_window: null,
  }),
  tensors: llamaTensors,
};
