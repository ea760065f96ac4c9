/** Model shapes by name. Published models have exactly their published sizes. */
import { AthanorError } from '../base/errors.ts';
import { nearest } from '../base/suggest.ts';
import type { ModelConfig } from './config.ts';
import { gpt2Structure } from './families/gpt2.ts';
import { llamaStructure } from './families/llama.ts';
import { qwen3Structure } from './families/qwen3.ts';
import { validateConfig } from './validate-config.ts';

function gpt2(
  layers: number,
  heads: number,
  hiddenSize: number,
  contextLength = 1024,
  vocabSize = 50257,
): ModelConfig {
  return {
    ...gpt2Structure,
    vocabSize,
    contextLength,
    hiddenSize,
    layers,
    heads,
    kvHeads: heads,
    headDim: hiddenSize / heads,
    intermediateSize: 4 * hiddenSize,
    normEps: 1e-5,
    tiedHead: true,
    initializerRange: 0.02,
  };
}

type LlamaShape = Pick<ModelConfig, 'layers' | 'heads' | 'hiddenSize' | 'intermediateSize'> &
  Partial<ModelConfig>;

function llama(shape: LlamaShape): ModelConfig {
  return {
    ...llamaStructure({ theta: 10_000 }),
    vocabSize: 32_000,
    contextLength: 2048,
    kvHeads: shape.heads,
    headDim: shape.hiddenSize / shape.heads,
    normEps: 1e-5,
    tiedHead: false,
    initializerRange: 0.02,
    ...shape,
  };
}

const small = { vocabSize: 256, contextLength: 64, layers: 2, heads: 4, hiddenSize: 64, tiedHead: true };
const smollm = { vocabSize: 49_152, tiedHead: true };
/** The rotation of Llama 3.2. */
const llama32Scaling = {
  type: 'llama3',
  factor: 32,
  lowFrequency: 1,
  highFrequency: 4,
  originalContext: 8192,
} as const;
const builders: Record<string, () => ModelConfig> = {
  // For tests: every mechanism, and milliseconds per step.
  tiny: () => gpt2(2, 4, 64, 64, 256),
  'llama-tiny': () => llama({ ...small, kvHeads: 2, intermediateSize: 176 }),
  // 3.2M parameters in the blocks and 1.0M in the table.
  micro: () => gpt2(4, 4, 256, 256, 4096),
  // The same size, and it learns more from the same number of tokens:
  // `athanor quickstart` trains it.
  'llama-micro': () =>
    llama({
      vocabSize: 4096,
      contextLength: 256,
      layers: 4,
      heads: 4,
      hiddenSize: 256,
      intermediateSize: 672,
      tiedHead: true,
    }),
  // 10.8M parameters with a byte vocabulary: the smallest that writes words, and the shape that
  // `athanor bench` measures.
  nano: () => gpt2(6, 6, 384, 256, 256),
  'llama-nano': () =>
    llama({
      vocabSize: 256,
      contextLength: 256,
      layers: 6,
      heads: 6,
      hiddenSize: 384,
      intermediateSize: 1024,
      tiedHead: true,
    }),
  gpt2: () => ({ ...gpt2(12, 12, 768), bosTokenId: 50256, eosTokenId: 50256 }),
  'gpt2-medium': () => ({ ...gpt2(24, 16, 1024), bosTokenId: 50256, eosTokenId: 50256 }),
  'gpt2-large': () => ({ ...gpt2(36, 20, 1280), bosTokenId: 50256, eosTokenId: 50256 }),
  'gpt2-xl': () => ({ ...gpt2(48, 25, 1600), bosTokenId: 50256, eosTokenId: 50256 }),
  'llama-15m': () =>
    llama({
      layers: 6,
      heads: 6,
      hiddenSize: 288,
      intermediateSize: 768,
      contextLength: 256,
      tiedHead: true,
    }),
  'llama-42m': () =>
    llama({
      layers: 8,
      heads: 8,
      hiddenSize: 512,
      intermediateSize: 1376,
      contextLength: 1024,
      tiedHead: true,
    }),
  'llama-160m': () =>
    llama({ layers: 12, heads: 12, hiddenSize: 768, intermediateSize: 3072, normEps: 1e-6 }),
  'smollm-135m': () =>
    llama({ ...smollm, layers: 30, heads: 9, kvHeads: 3, hiddenSize: 576, intermediateSize: 1536 }),
  'smollm-360m': () =>
    llama({ ...smollm, layers: 32, heads: 15, kvHeads: 5, hiddenSize: 960, intermediateSize: 2560 }),
  'tinyllama-1.1b': () =>
    llama({ layers: 22, heads: 32, kvHeads: 4, hiddenSize: 2048, intermediateSize: 5632 }),
  'llama3.2-1b': () =>
    llama({
      ...llamaStructure({ theta: 500_000, scaling: llama32Scaling }),
      vocabSize: 128_256,
      contextLength: 131_072,
      layers: 16,
      heads: 32,
      kvHeads: 8,
      hiddenSize: 2048,
      intermediateSize: 8192,
      tiedHead: true,
      bosTokenId: 128_000,
      eosTokenId: 128_001,
    }),
  'qwen3-0.6b': () => ({
    ...llama({ layers: 28, heads: 16, kvHeads: 8, hiddenSize: 1024, intermediateSize: 3072 }),
    ...qwen3Structure({ theta: 1_000_000 }),
    ...{ vocabSize: 151_936, contextLength: 40_960, headDim: 128, normEps: 1e-6, tiedHead: true },
    ...{ bosTokenId: 151_643, eosTokenId: 151_645 },
  }),
};

/** All names of presets. */
export const presetNames: readonly string[] = Object.keys(builders);

/**
 * The configuration of the preset `name`, with some values replaced. Values that follow from others
 * are adapted unless they are given too:
 * - `heads` resets `kvHeads`, unless the preset has grouped queries and its count
 *   still divides `heads`;
 * - `heads` and `hiddenSize` reset `headDim`, and `hiddenSize` resets `intermediateSize`;
 * - `vocabSize` removes a token id outside of it, because the id belongs to the tokenizer
 *   that was replaced.
 *
 * Throws ERR_CONFIG for an unknown name, with the nearest one, and for a model that
 * cannot be built.
 */
export function presetConfig(name: string, overrides: Partial<ModelConfig> = {}): ModelConfig {
  if (!Object.hasOwn(builders, name)) {
    const close = nearest(name, presetNames);
    const remedy =
      close === undefined ? `the presets are ${presetNames.join(', ')}` : `did you mean ${close}?`;
    throw new AthanorError('ERR_CONFIG', `there is no model preset ${JSON.stringify(name)}`, remedy);
  }
  const preset = builders[name]!();
  const given = Object.fromEntries(
    Object.entries(overrides).filter(([, value]) => value !== undefined),
  ) as Partial<ModelConfig>;
  const config = { ...preset, ...given };
  if (given.heads !== undefined && given.kvHeads === undefined) {
    const grouped = preset.kvHeads < preset.heads && given.heads % preset.kvHeads === 0;
    config.kvHeads = grouped ? preset.kvHeads : given.heads;
  }
  if ((given.heads !== undefined || given.hiddenSize !== undefined) && given.headDim === undefined) {
    config.headDim = config.hiddenSize / config.heads;
  }
  if (given.hiddenSize !== undefined && given.intermediateSize === undefined) {
    // SwiGLU rounds up to a multiple of 32: 8/3 of the width, as in the Llama paper,
    // is rarely round.
    const scaled = (preset.intermediateSize / preset.hiddenSize) * given.hiddenSize;
    config.intermediateSize =
      config.blocks[0]!.activation === 'gelu' ? 4 * given.hiddenSize : Math.ceil(scaled / 32) * 32;
  }
  if (given.vocabSize !== undefined) {
    for (const key of ['bosTokenId', 'eosTokenId'] as const) {
      if (given[key] === undefined && (config[key] ?? 0) >= given.vocabSize) delete config[key];
    }
  }
  validateConfig(config, `preset ${name}`);
  return config;
}
