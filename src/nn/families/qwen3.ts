/** Qwen3, dense (Yang et al., 2025): Llama with an RMS norm on each query and key head. */
import type { BlockSpec } from '../config.ts';
import type { ConfigFields } from './config-fields.ts';
import type { Family } from './family.ts';
import { readOptionalWindows, writeOptionalWindows } from './layer-types.ts';
import { llamaStructure, llamaTensors, readLlamaBiases, readLlamaShape, writeLlamaShape } from './llama.ts';

/** Qwen's layers: those from `max_window_layers` on have a window, where windows are used. */
export function withWindows(fields: ConfigFields, layers: number, block: BlockSpec): BlockSpec[] {
  const first = fields.number('max_window_layers', 28);
  const windows = readOptionalWindows(fields, layers, 4096, (layer) => layer >= first);
  if (windows.every((window) => window === undefined)) return [block];
  return windows.map((window) => (window === undefined ? block : { ...block, window }));
}

export const qwen3: Family = {
  name: 'qwen3',
  classNames: { 'language-model': 'Qwen3ForCausalLM', score: 'Qwen3ForSequenceClassification' },
  readConfig(fields) {
    const { rope, sizes } = readLlamaShape(fields, { maxPositions: 32_768, headDim: 128 });
    const { blocks, ...structure } = llamaStructure(rope, readLlamaBiases(fields));
    const block: BlockSpec = { ...blocks[0], queryKeyNorm: 'per-head' };
    return {
      ...structure,
      ...sizes,
      blocks: withWindows(fields, sizes.layers, block),
      architecture: 'qwen3',
    };
  },
  writeConfig: (config) => ({
    ...writeLlamaShape(config),
    attention_bias: config.blocks[0]!.qkvBias,
    attention_dropout: 0,
    ...writeOptionalWindows(config),
  }),
  tensors: {
    ...llamaTensors,
    block: {
      ...llamaTensors.block,
      'attention.query_norm': 'self_attn.q_norm',
      'attention.key_norm': 'self_attn.k_norm',
    },
  },
};
