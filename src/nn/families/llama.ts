/** Llama (Touvron et al., 2023): RMS norm, rotary positions, SwiGLU, grouped queries. */
import type { JsonObject } from '../../base/json.ts';
import type { BlockSpec, ModelConfig } from '../config.ts';
import type { RopeSpec } from '../rope.ts';
import type { ConfigFields } from './config-fields.ts';
import type { Family, TensorNames } from './family.ts';
import { contextWithin, maxPositionsOf, readRope, writeRope } from './rope-fields.ts';

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

/** What a family takes for a field that config.json lacks. */
export interface LlamaDefaults {
  maxPositions?: number;
  /** Default: hidden_size / num_attention_heads. */
  headDim?: number;
  normEps?: number;
  tiedHead?: boolean;
  /** The base of rotary positions. */
  theta?: number;
  /** The share of each head that rotates. Undefined: no other than 1 is supported. */
  partial?: number;
}

/** The sizes and the rotation as Llama and the families after it spell them. */
export function readLlamaShape(fields: ConfigFields, defaults: LlamaDefaults = {}) {
  fields.only('hidden_act', 'silu', 'swish');
  const sizes = readLlamaSizes(fields, defaults);
  const { theta = 10_000, partial } = defaults;
  const { headDim, contextLength: maxPositions } = sizes;
  const own = partial === undefined ? {} : { partial };
  const rope = readRope(fields, { headDim, maxPositions, theta, thetaField: 'rope_theta', ...own });
  return { rope, sizes: { ...sizes, contextLength: contextWithin(rope, maxPositions) } };
}

/** The sizes alone; contextLength is `max_position_embeddings`. */
export function readLlamaSizes(fields: ConfigFields, defaults: LlamaDefaults = {}) {
  const { maxPositions = 2048, normEps = 1e-6, tiedHead = false } = defaults;
  const hiddenSize = fields.number('hidden_size');
  const heads = fields.number('num_attention_heads');
  return {
    vocabSize: fields.number('vocab_size'),
    contextLength: fields.number('max_position_embeddings', maxPositions),
    hiddenSize,
    layers: fields.number('num_hidden_layers'),
    heads,
    kvHeads: fields.number('num_key_value_heads', heads),
    headDim: fields.number('head_dim', defaults.headDim ?? hiddenSize / heads),
    intermediateSize: fields.number('intermediate_size'),
    normEps: fields.number('rms_norm_eps', normEps),
    tiedHead: fields.boolean('tie_word_embeddings', tiedHead),
    initializerRange: fields.number('initializer_range', 0.02),
  };
}

/** The counterpart of readLlamaShape. */
export function writeLlamaShape(config: ModelConfig): JsonObject {
  const rope = config.blocks.find((block) => block.rope)?.rope;
  return {
    ...writeLlamaSizes(config),
    max_position_embeddings: maxPositionsOf(rope, config.contextLength),
    hidden_act: 'silu',
    ...writeRope(rope, config.headDim),
  };
}

/** The counterpart of readLlamaSizes. */
export function writeLlamaSizes(config: ModelConfig): JsonObject {
  return {
    hidden_size: config.hiddenSize,
    intermediate_size: config.intermediateSize,
    num_hidden_layers: config.layers,
    num_attention_heads: config.heads,
    num_key_value_heads: config.kvHeads,
    head_dim: config.headDim,
    max_position_embeddings: config.contextLength,
    rms_norm_eps: config.normEps,
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
    const { rope, sizes } = readLlamaShape(fields);
    return { ...llamaStructure(rope, readLlamaBiases(fields)), ...sizes };
  },
  writeConfig: (config) => ({
    ...writeLlamaShape(config),
    attention_bias: config.blocks[0]!.qkvBias,
    attention_dropout: 0,
    mlp_bias: config.blocks[0]!.mlpBias,
    pretraining_tp: 1,
  }),
  tensors: llamaTensors,
};
