/** Checks that a configuration can be built, written and read as its family. */
import { isDeepStrictEqual } from 'node:util';
import { AthanorError } from '../base/errors.ts';
import {
  activations,
  type BlockSpec,
  blockOf,
  type ModelConfig,
  maxLayers,
  normKinds,
  normPlacements,
  queryKeyNorms,
} from './config.ts';
import { ConfigFields } from './families/config-fields.ts';
import type { Family } from './families/family.ts';
import { familyNames, findFamily } from './families/registry.ts';

/** Numbers above zero that a model may have. */
const factors = ['embeddingScale', 'attentionScale', 'attentionSoftcap', 'logitSoftcap'] as const;

const positive = [
  'vocabSize',
  'contextLength',
  'hiddenSize',
  'layers',
  'heads',
  'kvHeads',
  'headDim',
  'intermediateSize',
] as const;

/**
 * Throws ERR_CONFIG with every problem in one message.
 * @param where the name of the configuration in the message
 */
export function validateConfig(config: ModelConfig, where = 'the model configuration'): void {
  const family = findFamily(config.architecture);
  const problems = [...wordProblems(config), ...sizeProblems(config)];
  if (problems.length === 0) problems.push(...headProblems(config));
  if (problems.length === 0 && family) problems.push(...familyProblems(config, family));
  if (problems.length > 0) {
    throw new AthanorError('ERR_CONFIG', `${where}: ${problems.join('; ')}`, 'correct these values');
  }
}

/** The head sizes that the engine's attention computes, as native/ops/attention.cpp checks them. */
const [headSizeStep, largestHeadSize] = [8, 256];

/**
 * Throws ERR_CONFIG for a model that can be described but not run.
 * @param where the name of the configuration in the message
 */
export function checkHeadSize({ headDim }: ModelConfig, where: string): void {
  if (headDim % headSizeStep === 0 && headDim <= largestHeadSize) return;
  throw new AthanorError(
    'ERR_CONFIG',
    `${where}: heads have ${headDim} numbers, and only multiples of 8 up to 256 can be computed`,
    'use a model with another number of heads or another hidden size',
  );
}

/** Choices that are written as words. */
function wordProblems(config: ModelConfig): string[] {
  const problems: string[] = [];
  const expectWord = (name: string, value: string, words: readonly string[]) => {
    if (!words.includes(value))
      problems.push(`${name} is ${JSON.stringify(value)}, not ${words.join(' or ')}`);
  };
  expectWord('architecture', config.architecture, familyNames);
  expectWord('norm', config.norm, normKinds);
  if (config.blocks.length === 0) problems.push('blocks describes no block');
  config.blocks.forEach(({ activation, queryKeyNorm, normPlacement = 'before' }, i) => {
    expectWord(`blocks[${i}].normPlacement`, normPlacement, normPlacements);
    expectWord(`blocks[${i}].activation`, activation, activations);
    expectWord(`blocks[${i}].queryKeyNorm`, queryKeyNorm, queryKeyNorms);
  });
  return problems;
}

function sizeProblems(config: ModelConfig): string[] {
  const problems: string[] = [];
  const expect = (good: boolean, problem: string) => {
    if (!good) problems.push(problem);
  };
  // A derived headDim with a fraction is this same problem. transformers refuses it too.
  const uneven = config.hiddenSize % config.heads !== 0;
  expect(!uneven, `heads (${config.heads}) does not divide hiddenSize (${config.hiddenSize})`);
  for (const key of positive) {
    if (uneven && key === 'headDim') continue;
    const good = Number.isInteger(config[key]) && config[key] >= 1 && config[key] < 2 ** 31;
    expect(good, `${key} is ${config[key]}, not a whole number from 1 to 2^31 - 1`);
  }
  expect(!(config.layers > maxLayers), `layers is ${config.layers}, more than ${maxLayers}`);
  const expectPositive = (name: string, value: number) =>
    expect(Number.isFinite(value) && value > 0, `${name} is ${value}, not a number above zero`);
  expectPositive('normEps', config.normEps);
  expect(Number.isFinite(config.normOffset ?? 0), `normOffset is ${config.normOffset}, not a number`);
  expectPositive('initializerRange', config.initializerRange);
  for (const key of factors) {
    const value = config[key];
    if (value !== undefined) expectPositive(key, value);
  }
  config.blocks.forEach(({ rope, window }, i) => {
    if (rope) expectPositive(`blocks[${i}].rope.theta`, rope.theta);
    const scaling = rope?.scaling;
    if (scaling && 'factor' in scaling) expectPositive(`blocks[${i}].rope.scaling.factor`, scaling.factor);
    if (scaling?.type === 'longrope') {
      const width = rope?.width ?? config.headDim;
      for (const list of [scaling.short, scaling.long]) {
        const good = list.length === width / 2 && list.every((divisor) => divisor > 0);
        expect(good, `blocks[${i}].rope.scaling needs ${width / 2} divisors above zero`);
      }
    }
    if (window === undefined) return;
    const good = Number.isInteger(window) && window >= 1;
    expect(good, `blocks[${i}].window is ${window}, not a whole number from 1 on`);
  });
  for (const key of ['bosTokenId', 'eosTokenId'] as const) {
    const id = config[key];
    const good = id === undefined || (Number.isInteger(id) && id >= 0 && id < config.vocabSize);
    expect(good, `${key} is ${id}, outside the vocabulary of ${config.vocabSize}`);
  }
  return problems;
}

function headProblems({ heads, kvHeads, headDim, blocks }: ModelConfig): string[] {
  const problems: string[] = [];
  if (heads % kvHeads !== 0) problems.push(`kvHeads (${kvHeads}) does not divide heads (${heads})`);
  if (headDim % 2 !== 0 && blocks.some(({ rope }) => rope)) {
    problems.push(`headDim is ${headDim}, but rotary positions need an even one`);
  }
  blocks.forEach(({ rope }, i) => {
    const width = rope?.width;
    if (width === undefined || (width % 2 === 0 && width >= 2 && width <= headDim)) return;
    problems.push(`blocks[${i}].rope.width is ${width}, not an even number up to headDim (${headDim})`);
  });
  return problems;
}

/**
 * Values that the config.json of the family cannot express. Such a model would be a different one
 * when it is read.
 */
function familyProblems(config: ModelConfig, family: Family): string[] {
  const json = family.writeConfig(config);
  const common = {
    vocab_size: config.vocabSize,
    tie_word_embeddings: config.tiedHead,
    initializer_range: config.initializerRange,
  };
  const readBack = family.readConfig(new ConfigFields({ ...json, ...common }, family.name));
  const problems: string[] = [];
  const compare = (name: string, value: unknown, read: unknown) => {
    if (isDeepStrictEqual(value, read)) return;
    problems.push(
      `${name} is ${text(value)}, but a ${family.name} model of this shape can only have ${text(read)}`,
    );
  };
  for (const key of [...positive, ...factors, 'norm', 'normEps', 'normOffset', 'positionTable'] as const) {
    compare(key, config[key], readBack[key]);
  }
  for (let i = 0; i < config.layers && problems.length === 0; i++) {
    const [block, other] = [blockOf(config, i), blockOf(readBack, i)];
    const keys = new Set([...Object.keys(block), ...Object.keys(other)]) as Set<keyof BlockSpec>;
    for (const key of keys) compare(`${key} of layer ${i}`, block[key], other[key]);
  }
  return problems;
}

function text(value: unknown): string {
  return value === undefined ? 'none' : JSON.stringify(value);
}
