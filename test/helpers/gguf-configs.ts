/** Small models of all families, with what GGUF can hold of them. */
import type { ModelConfig } from '../../src/nn/config.ts';
import { familyConfigs } from './family-configs.ts';

function withoutWindows(config: ModelConfig): ModelConfig {
  return { ...config, blocks: config.blocks.map(({ window: _, ...block }) => block) };
}

/** llama.cpp divides the scores of Gemma by the square root of a head's channels. */
const scaled = (config: ModelConfig): ModelConfig => ({ ...config, attentionScale: config.headDim ** -0.5 });

export const ggufConfigs: Readonly<Record<string, ModelConfig>> = {
  ...familyConfigs,
  mistral: withoutWindows(familyConfigs.mistral),
  phi3: withoutWindows(familyConfigs.phi3),
  gemma2: scaled(familyConfigs.gemma2),
  gemma3_text: scaled(familyConfigs.gemma3_text),
};
