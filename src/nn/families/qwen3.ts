/** Qwen3, dense (Yang et al., 2025): Llama with an RMS norm on each query and key head. */
import type { Family } from './family.ts';
import { llamaStructure, llamaTensors, readLlamaSizes, writeLlamaSizes } from './llama.ts';
import { noQwenWindows, refuseQwenWindows } from './qwen2.ts';

export const qwen3: Family = {
  name: 'qwen3',
  classNames: { 'language-model': 'Qwen3ForCausalLM', score: 'Qwen3ForSequenceClassification' },
  readConfig(fields) {
    refuseQwenWindows(fields);
    const attentionBias = fields.boolean('attention_bias', false);
    const biases = { qkvBias: attentionBias, outputBias: attentionBias, mlpBias: false };
    const { blocks, ...structure } = llamaStructure(fields.rope(), biases);
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
    ...noQwenWindows,
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
