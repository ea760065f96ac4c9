/** Qwen2 and Qwen2.5, dense (Yang et al., 2024): Llama with biases on queries, keys and values. */
import type { JsonObject } from '../../base/json.ts';
import type { ConfigFields } from './config-fields.ts';
import type { Family } from './family.ts';
import { llamaStructure, llamaTensors, readLlamaSizes, writeLlamaSizes } from './llama.ts';

/** Refuses sliding windows; `sliding_window` may be there without being used. */
export function refuseQwenWindows(fields: ConfigFields): void {
  fields.only('use_sliding_window', false);
  fields.onlyEach('layer_types', 'full_attention');
}

export const noQwenWindows: JsonObject = { use_sliding_window: false, sliding_window: null };

export const qwen2: Family = {
  name: 'qwen2',
  classNames: { 'language-model': 'Qwen2ForCausalLM', score: 'Qwen2ForSequenceClassification' },
  readConfig(fields) {
    refuseQwenWindows(fields);
    // No field of config.json says so: the class of transformers has these biases.
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
    ...noQwenWindows,
  }),
  tensors: llamaTensors,
};
