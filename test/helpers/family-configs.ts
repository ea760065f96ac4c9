/**
 * One small model of each family, and one of no family. All sizes differ, so that none can be
 * mistaken for another.
 */
import type { JsonObject } from '../../src/base/json.ts';
import type { BlockSpec, ModelConfig } from '../../src/nn/config.ts';
import { configFromJson } from '../../src/nn/config-json.ts';
import { presetConfig } from '../../src/nn/presets.ts';

const sizes = {
  vocab_size: 61,
  hidden_size: 48,
  intermediate_size: 88,
  num_hidden_layers: 2,
  num_attention_heads: 6,
  num_key_value_heads: 2,
  max_position_embeddings: 64,
  rms_norm_eps: 1e-6,
  rope_theta: 1e6,
};

const read = (model_type: string, fields: JsonObject = {}): ModelConfig =>
  configFromJson({ model_type, ...sizes, ...fields }, model_type).config;

const llama3 = {
  rope_type: 'llama3',
  factor: 8,
  low_freq_factor: 1,
  high_freq_factor: 4,
  original_max_position_embeddings: 32,
};
const yarn = { rope_type: 'yarn', factor: 2, original_max_position_embeddings: 32 };

/** By family name. Qwen3's heads times headDim is not its hidden size. */
export const familyConfigs = {
  gpt2: presetConfig('tiny'),
  llama: presetConfig('llama-tiny'),
  gpt_neox: read('gpt_neox', { num_attention_heads: 3 }),
  mistral: read('mistral', { sliding_window: 9 }),
  qwen2: read('qwen2'),
  smollm3: read('smollm3', { num_hidden_layers: 4 }),
  qwen3: read('qwen3', { head_dim: 16 }),
  olmo2: read('olmo2'),
  olmo3: read('olmo3', { num_hidden_layers: 4, sliding_window: 9, rope_scaling: yarn }),
  gemma2: read('gemma2', { head_dim: 16, sliding_window: 9, attn_logit_softcapping: 2 }),
  gemma3_text: read('gemma3_text', { head_dim: 16, num_hidden_layers: 6, sliding_window: 9 }),
  phi3: read('phi3', {
    partial_rotary_factor: 0.5,
    sliding_window: 40,
    rope_scaling: { type: 'longrope', short_factor: [1, 1.5], long_factor: [2, 3], attention_factor: 1.25 },
  }),
} satisfies Readonly<Record<string, ModelConfig>>;

const plainBlock: BlockSpec = {
  qkvBias: false,
  queryKeyNorm: 'none',
  outputBias: false,
  activation: 'swiglu',
  mlpBias: true,
};

/** Layers that differ: two rotary bases, a layer without rotation, either activation and norm. */
export const mixedConfig: ModelConfig = {
  ...familyConfigs.qwen3,
  layers: 4,
  norm: 'layer',
  blocks: [
    { ...plainBlock, rope: { theta: 10_000 } },
    { ...plainBlock, activation: 'gelu', mlpBias: false, outputBias: true },
    { ...plainBlock, rope: { theta: 500 }, queryKeyNorm: 'per-head', qkvBias: true },
  ],
};

/** Everything above with its name, for tests of what must hold whatever a model is made of. */
export const allConfigs: readonly (readonly [name: string, config: ModelConfig])[] = [
  ...Object.entries(familyConfigs),
  ['mixed layers', mixedConfig],
  [
    'qwen2 with windows',
    read('qwen2', { use_sliding_window: true, sliding_window: 9, max_window_layers: 1 }),
  ],
  ['llama 3.1', read('llama', { rope_scaling: llama3 })],
];
