/**
 * Gemma 2 (Gemma team, 2024) and Gemma 3, text only (2025): norms on both sides of each branch,
 * with weights that are the gain minus 1; scaled embeddings; GeGLU; sliding windows in some layers.
 * Gemma 2 caps scores and logits. Gemma 3 norms query and key heads, and its two types of layers
 * have rotary bases of their own.
 */
import type { JsonObject } from '../../base/json.ts';
import type { BlockSpec, ModelConfig, QueryKeyNorm } from '../config.ts';
import type { ConfigFields } from './config-fields.ts';
import type { Family, TensorNames } from './family.ts';
import { type RopeDefaultsByType, readTypedLayers, writeTypedLayers } from './layer-types.ts';
import { llamaTensors, readLlamaSizes, writeLlamaSizes } from './llama.ts';

interface GemmaKind {
  architecture: string;
  maxPositions: number;
  queryKeyNorm: QueryKeyNorm;
  bases: RopeDefaultsByType;
  /** One layer in so many sees all tokens. */
  period: (fields: ConfigFields) => number;
  /** The caps where the file names none. */
  attentionSoftcap?: number;
  logitSoftcap?: number;
}

/** A cap; null stands for none. */
function softcap(fields: ConfigFields, key: string, otherwise: number | undefined): number | undefined {
  if (fields.json[key] === null) return undefined;
  if (fields.json[key] === undefined) return otherwise;
  const cap = fields.number(key);
  if (!(cap > 0)) fields.fail(`expected ${key} to be above 0 but it is ${cap}`);
  return cap;
}

function readGemma(fields: ConfigFields, kind: GemmaKind): ModelConfig {
  fields.only('hidden_activation', 'gelu_pytorch_tanh', 'gelu_new', 'gelu_fast');
  fields.only('use_bidirectional_attention', false);
  const { maxPositions, architecture, queryKeyNorm, bases } = kind;
  const sizes = readLlamaSizes(fields, { maxPositions, headDim: 256, tiedHead: true });
  const period = kind.period(fields);
  const bias = fields.boolean('attention_bias', false);
  const block: BlockSpec = {
    qkvBias: bias,
    outputBias: bias,
    mlpBias: false,
    normPlacement: 'both',
    queryKeyNorm,
    activation: 'geglu',
  };
  const attentionSoftcap = softcap(fields, 'attn_logit_softcapping', kind.attentionSoftcap);
  const logitSoftcap = softcap(fields, 'final_logit_softcapping', kind.logitSoftcap);
  return {
    architecture,
    norm: 'rms',
    normOffset: 1,
    positionTable: false,
    ...sizes,
    ...readTypedLayers(fields, sizes, bases, block, (layer) => (layer + 1) % period !== 0),
    embeddingScale: Math.sqrt(sizes.hiddenSize),
    attentionScale: fields.number('query_pre_attn_scalar', 256) ** -0.5,
    ...(attentionSoftcap !== undefined && { attentionSoftcap }),
    ...(logitSoftcap !== undefined && { logitSoftcap }),
  };
}

function writeGemma(config: ModelConfig, { bases }: GemmaKind): JsonObject {
  const { attentionScale = config.headDim ** -0.5 } = config;
  const scalar = attentionScale ** -2;
  return {
    ...writeLlamaSizes(config),
    hidden_activation: 'gelu_pytorch_tanh',
    ...writeTypedLayers(config, bases),
    query_pre_attn_scalar: Math.abs(scalar - Math.round(scalar)) < 1e-6 ? Math.round(scalar) : scalar,
    attn_logit_softcapping: config.attentionSoftcap ?? null,
    final_logit_softcapping: config.logitSoftcap ?? null,
    attention_bias: config.blocks[0]!.qkvBias,
    attention_dropout: 0,
    // null, because transformers takes 0 for a missing key, and does not train that row.
    pad_token_id: null,
  };
}

const gemmaTensors: TensorNames = {
  ...llamaTensors,
  block: {
    ...llamaTensors.block,
    attention_output_norm: 'post_attention_layernorm',
    mlp_norm: 'pre_feedforward_layernorm',
    mlp_output_norm: 'post_feedforward_layernorm',
  },
};

const gemma2Kind: GemmaKind = {
  architecture: 'gemma2',
  maxPositions: 8192,
  queryKeyNorm: 'none',
  bases: { thetaField: 'rope_theta', theta: 10_000 },
  period: () => 2,
  attentionSoftcap: 50,
  logitSoftcap: 30,
};

export const gemma2: Family = {
  name: 'gemma2',
  classNames: { 'language-model': 'Gemma2ForCausalLM', score: 'Gemma2ForSequenceClassification' },
  readConfig: (fields) => readGemma(fields, gemma2Kind),
  writeConfig: (config) => writeGemma(config, gemma2Kind),
  tensors: gemmaTensors,
};

const gemma3Kind: GemmaKind = {
  architecture: 'gemma3_text',
  maxPositions: 131_072,
  queryKeyNorm: 'per-head',
  bases: {
    full_attention: { thetaField: 'rope_theta', theta: 1_000_000 },
    sliding_attention: { thetaField: 'rope_local_base_freq', theta: 10_000 },
  },
  period: (fields) => fields.number('sliding_window_pattern', 6),
};

export const gemma3: Family = {
  name: 'gemma3_text',
  classNames: { 'language-model': 'Gemma3ForCausalLM', score: 'Gemma3TextForSequenceClassification' },
  trunkName: 'Gemma3TextModel',
  readConfig: (fields) => readGemma(fields, gemma3Kind),
  writeConfig: (config) => writeGemma(config, gemma3Kind),
  tensors: {
    ...gemmaTensors,
    block: {
      ...gemmaTensors.block,
      'attention.query_norm': 'self_attn.q_norm',
      'attention.key_norm': 'self_attn.k_norm',
    },
  },
};
