/** Qwen3, dense (Yang et al., 2025): Llama with an RMS norm on each query and key head. */
import type { Family } from './family.ts';
import { llamaStructure, llamaTensors, readLlamaBiases, readLlamaSizes, writeLlamaSizes } from './llama.ts';

export const qwen3: Family = {
  name: 'qwen3',
  classNames: { 'language-model': 'Qwen3ForCausalLM', score: 'Qwen3ForSequenceClassification' },
  readConfig(fields) {
    fields.fullAttention();
    const { blocks, ...structure } = llamaStructure(fields.rope(), readLlamaBiases(fields));
    return {
      ...structure,
      ...readLlamaSizes(fields),
      headDim: fields.number('head_dim', 128),
      blocks: blocks.map((block) => ({ ...block, queryKeyNorm: 'per-head' })),
      architecture: 'qwen3',
    };
  },
  writeConfig: (config) => ({
    ...writeLlamaSizes(config),
    attention_bias: config.blocks[0]!.qkvBias,
    attention_dropout: 0,
    use_sliding_window: false,
    sliding_window: null,
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
