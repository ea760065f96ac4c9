/** Qwen3, dense (Yang et al., 2025): Llama with an RMS norm on each query and key head. */
import type { BlockSpec } from '../config.ts';
import type { RopeSpec } from '../rope.ts';
import type { ConfigFields } from './config-fields.ts';
import type { Family } from './family.ts';
import { readOptionalWindows, writeOptionalWindows } from './layer-types.ts';
import {
  type LlamaBiases,
  llamaStructure,
  llamaTensors,
  readLlamaBiases,
  readLlamaShape,
  writeLlamaShape,
} from './llama.ts';

/** The parts that all dense Qwen3 models have in common. */
export function qwen3Structure(rope: RopeSpec, biases?: LlamaBiases) {
  const { blocks, ...structure } = llamaStructure(rope, biases);
  const block: BlockSpec = { ...blocks[0], queryKeyNorm: 'per-head' };
  return { ...structure, architecture: 'qwen3', blocks: [block] } as const;
}

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
    const structure = qwen3Structure(rope, readLlamaBiases(fields));
    return { ...structure, ...sizes, blocks: withWindows(fields, sizes.layers, structure.blocks[0]) };
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
