/**
 * One small model of each family, and one of no family. All sizes differ, so that none can be
 * mistaken for another.
 */
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

/** By family name. Qwen3's heads times headDim is not its hidden size. */
export const familyConfigs: Readonly<Record<'gpt2' | 'llama' | 'qwen2' | 'qwen3' | 'smollm3', ModelConfig>> =
  {
    gpt2: presetConfig('tiny'),
    llama: presetConfig('llama-tiny'),
    qwen2: configFromJson({ model_type: 'qwen2', ...sizes }, 'qwen2').config,
    smollm3: configFromJson({ model_type: 'smollm3', ...sizes, num_hidden_layers: 4 }, 'smollm3').config,
    qwen3: configFromJson({ model_type: 'qwen3', head_dim: 16, ...sizes }, 'qwen3').config,
  };

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
];
