/** Small models with random parameters, for tests of files. */

import { elementCount, type ParameterData } from '../../src/checkpoint/tensor-data.ts';
import { type HeadKind, type ModelConfig, parameterShapes } from '../../src/nn/config.ts';
import { llamaStructure } from '../../src/nn/families/llama.ts';
import { presetConfig } from '../../src/nn/presets.ts';
import { rng } from '../helpers/reference.ts';

export const gpt2Config: ModelConfig = presetConfig('tiny', {
  vocabSize: 61,
  contextLength: 16,
  hiddenSize: 24,
  heads: 3,
  intermediateSize: 40,
});

/** Heads times headDim is not hiddenSize: every shape is told apart from every other. */
export const llamaConfig: ModelConfig = presetConfig('llama-tiny', {
  vocabSize: 53,
  contextLength: 16,
  hiddenSize: 24,
  heads: 4,
  kvHeads: 2,
  headDim: 8,
  intermediateSize: 44,
  tiedHead: false,
  blocks: llamaStructure({ theta: 50_000 }).blocks,
  bosTokenId: 1,
  eosTokenId: 2,
});

/** Random f32 parameters by in-memory name. */
export function randomParameters(
  config: ModelConfig,
  seed = 1,
  head: HeadKind = 'language-model',
): Map<string, ParameterData> {
  const random = rng(seed);
  return new Map(
    [...parameterShapes(config, head)].map(([name, shape]) => {
      const data = Float32Array.from({ length: elementCount(shape) }, () => random.normal());
      return [name, { dtype: 'f32', shape, data }];
    }),
  );
}
