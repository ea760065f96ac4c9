/** One small model of each family, with every size told apart from every other. */
import type { ModelConfig } from '../../src/nn/config.ts';
import { configFromJson } from '../../src/nn/config-json.ts';
import { presetConfig } from '../../src/nn/presets.ts';

const qwenSizes = {
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
export const familyConfigs: Readonly<Record<'gpt2' | 'llama' | 'qwen2' | 'qwen3', ModelConfig>> = {
  gpt2: presetConfig('tiny', { vocabSize: 61, hiddenSize: 48 }),
  llama: presetConfig('llama-tiny', { vocabSize: 61, hiddenSize: 48 }),
  qwen2: configFromJson({ model_type: 'qwen2', ...qwenSizes }, 'qwen2').config,
  qwen3: configFromJson({ model_type: 'qwen3', head_dim: 16, ...qwenSizes }, 'qwen3').config,
};
