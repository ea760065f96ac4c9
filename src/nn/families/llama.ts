/** Llama (Touvron et al., 2023): RMS norm, rotary positions, SwiGLU, grouped queries. */
import type { JsonObject } from '../../base/json.ts';
import type { BlockSpec, ModelConfig, RopeSpec } from '../config.ts';
import type { ConfigFields } from './config-fields.ts';
import type { Family, TensorNames } from './family.ts';

/** The biases of a model of Llama's shape. */
export interface LlamaBiases {
  qkvBias: boolean;
  outputBias: boolean;
  mlpBias: boolean;
}

const noBiases: LlamaBiases = { qkvBias: false, outputBias: false, mlpBias: false };

/** The parts that all Llama models have in common. */
export function llamaStructure(rope: RopeSpec, biases: LlamaBiases = noBiases) {
  const block: BlockSpec = { rope, ...biases, queryKeyNorm: 'none', activation: 'swiglu' };
  return { architecture: 'llama', norm: 'rms', positionTable: false, blocks: [block] } as const;
}

export function readLlamaBiases(fields: ConfigFields): LlamaBiases {
  const attentionBias = fields.boolean('attention_bias', false);
  const mlpBias = fields.boolean('mlp_bias', false);
  return { qkvBias: attentionBias, outputBias: attentionBias, mlpBias };
}

/** The sizes as Llama and the families after it spell them. */
export function readLlamaSizes(fields: ConfigFields) {
  fields.only('hidden_act', 'silu', 'swish');
  const hiddenSize = fields.number('hidden_size');
  const heads = fields.number('num_attention_heads');
  return {
    vocabSize: fields.number('vocab_size'),
    contextLength: fields.number('max_position_embeddings', 2048),
    hiddenSize,
    layers: fields.number('num_hidden_layers'),
    heads,
    kvHeads: fields.number('num_key_value_heads', heads),
    headDim: fields.number('head_dim', hiddenSize / heads),
    intermediateSize: fields.number('intermediate_size'),
    normEps: fields.number('rms_norm_eps', 1e-6),
    tiedHead: fields.boolean('tie_word_embeddings', false),
    initializerRange: fields.number('initializer_range', 0.02),
  };
}

/** The counterpart of readLlamaSizes and ConfigFields.rope. */
export function writeLlamaSizes(config: ModelConfig): JsonObject {
  return {
    hidden_size: config.hiddenSize,
    intermediate_size: config.intermediateSize,
    num_hidden_layers: config.layers,
    num_attention_heads: config.heads,
    num_key_value_heads: config.kvHeads,
    head_dim: config.headDim,
    max_position_embeddings: config.contextLength,
    hidden_act: 'silu',
    rms_norm_eps: config.normEps,
    rope_theta: config.blocks.find(({ rope }) => rope)?.rope?.theta ?? null,
    rope_scaling: null,
  };
}

/** On disk queries, keys and values are separate tensors, and so are gate and up. */
export const llamaTensors: TensorNames = {
  wrapper: 'model',
  trunk: { token_embedding: 'embed_tokens', final_norm: 'norm' },
  layers: 'layers',
  block: {
    attention_norm: 'input_layernorm',
    'attention.qkv': ['self_attn.q_proj', 'self_attn.k_proj', 'self_attn.v_proj'],
    'attention.output': 'self_attn.o_proj',
    mlp_norm: 'post_attention_layernorm',
    'mlp.gate_up': ['mlp.gate_proj', 'mlp.up_proj'],
    'mlp.down': 'mlp.down_proj',
  },
  transposed: [],
  ignored: /(^|\.)rotary_emb\.inv_freq$/,
};

export const llama: Family = {
  name: 'llama',
  classNames: { 'language-model': 'LlamaForCausalLM', score: 'LlamaForSequenceClassification' },
  readConfig(fields) {
    return {
      ...llamaStructure(fields.rope(), readLlamaBiases(fields)),
      ...readLlamaSizes(fields),
    };
  },
  writeConfig: (config) => ({
    ...writeLlamaSizes(config),
    attention_bias: config.blocks[0]!.qkvBias,
    attention_dropout: 0,
    mlp_bias: config.blocks[0]!.mlpBias,
    pretraining_tp: 1,
  }),
  tensors: llamaTensors,
};
