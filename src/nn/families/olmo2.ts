/**
 * OLMo 2 (OLMo et al., 2025): Llama with its norms after the branches, and one RMS norm over all
 * queries and one over all keys of a token.
 */
import type { BlockSpec } from '../config.ts';
import type { ConfigFields } from './config-fields.ts';
import type { Family, TensorNames } from './family.ts';
import { llamaTensors, readLlamaShape, writeLlamaShape } from './llama.ts';

/** A block without its rotation. */
export function olmoBlock(fields: ConfigFields): BlockSpec {
  const attentionBias = fields.boolean('attention_bias', false);
  return {
    qkvBias: attentionBias,
    outputBias: attentionBias,
    mlpBias: false,
    normPlacement: 'after',
    queryKeyNorm: 'full',
    activation: 'swiglu',
  };
}

export const olmo2Tensors: TensorNames = {
  ...llamaTensors,
  block: {
    'attention.qkv': llamaTensors.block['attention.qkv']!,
    'attention.query_norm': 'self_attn.q_norm',
    'attention.key_norm': 'self_attn.k_norm',
    'attention.output': 'self_attn.o_proj',
    attention_output_norm: 'post_attention_layernorm',
    'mlp.gate_up': llamaTensors.block['mlp.gate_up']!,
    'mlp.down': 'mlp.down_proj',
    mlp_output_norm: 'post_feedforward_layernorm',
  },
};

export const olmo2: Family = {
  name: 'olmo2',
  classNames: { 'language-model': 'Olmo2ForCausalLM', score: 'Olmo2ForSequenceClassification' },
  readConfig(fields) {
    const { rope, sizes } = readLlamaShape(fields, { normEps: 1e-5 });
    return {
      architecture: 'olmo2',
      norm: 'rms',
      positionTable: false,
      ...sizes,
      blocks: [{ rope, ...olmoBlock(fields) }],
    };
  },
  writeConfig: (config) => ({
    ...writeLlamaShape(config),
    attention_bias: config.blocks[0]!.qkvBias,
    attention_dropout: 0,
    // null, because transformers takes 1 for a missing key, and does not train that row.
    pad_token_id: null,
  }),
  tensors: olmo2Tensors,
};
