/**
 * Runs stages in this process on tiny models, with the settings of their commands and
 * with data files.
 */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { readMetrics } from '../../src/report/metrics-log.ts';
import { trainingRecord } from '../../src/train/loop/training-record.ts';
import { type DpoOptions, dpo } from '../../src/train/preference/dpo.ts';
import { type KtoOptions, kto } from '../../src/train/preference/kto.ts';
import { type RewardOptions, reward } from '../../src/train/preference/reward.ts';
import { type GrpoOptions, grpo } from '../../src/train/rl/grpo.ts';
import { type PpoOptions, ppo } from '../../src/train/rl/ppo.ts';
import { type SftOptions, sft } from '../../src/train/sft/run.ts';

/** The stages, with what their commands print as the result. */
export const runSft = async (options: SftOptions) => trainingRecord(await sft(options));
export const runReward = async (options: RewardOptions) => trainingRecord(await reward(options));
export const runDpo = async (options: DpoOptions) => trainingRecord(await dpo(options));
export const runKto = async (options: KtoOptions) => trainingRecord(await kto(options));
export const runPpo = async (options: PpoOptions) => trainingRecord(await ppo(options));
export const runGrpo = async (options: GrpoOptions) => trainingRecord(await grpo(options));

/**
 * Of every stage after pretraining; 1 epoch in f32, at a learning rate that does something
 * in few steps.
 */
export const tuning = {
  dtype: 'f32',
  seed: 3,
  epochs: 1,
  batchSize: 4,
  gradAccum: 1,
  lr: 3e-3,
  schedule: 'constant',
  warmupSteps: 0,
  minLrRatio: 1,
  decayRatio: 0.2,
  weightDecay: 0,
  maxGradNorm: 0,
  onSpike: 'warn',
  spikeThreshold: 100,
  evalEvery: 0,
  saveEvery: 0,
  keepCheckpoints: 2,
  gradientCheckpointing: false,
  loraRank: 0,
  loraAlpha: 16,
  loraTargets: ['all'],
  validationSplit: 0,
  patience: 0,
  onBadLine: 'fail',
} as const;

export const sftDefaults = {
  ...tuning,
  packing: true,
  overLong: 'truncate',
  neftuneAlpha: 0,
  sampleEvery: 0,
  samplePrompt: [],
  sampleTokens: 8,
} as const;

export const rewardDefaults = { ...tuning, centering: 0 } as const;

export const ktoDefaults = {
  ...tuning,
  beta: 0.1,
  loss: 'kto',
  desirableWeight: 1,
  undesirableWeight: 1,
} as const;
export const dpoDefaults = { ...tuning, beta: 0.1, loss: 'sigmoid', labelSmoothing: 0 } as const;

const { validationSplit: _split, patience: _patience, ...rolloutTuning } = tuning;

/** Three rollouts of eight short responses, two epochs each. */
export const rolloutDefaults = {
  ...rolloutTuning,
  epochs: 2,
  iterations: 3,
  rolloutSize: 8,
  maxPromptLength: 40,
  maxResponseLength: 8,
  temperature: 1,
  decodeBatchSize: 3,
  missingEos: 'score',
  missingEosValue: -1,
  rewardClip: 0,
  klCoef: 0.05,
  entropyCoef: 0,
  clipLow: 0.2,
  clipHigh: 0.2,
  emaDecay: 0,
  evalPrompts: 2,
  adamEps: 1e-5,
  adamEpsPlacement: 'torch',
  sampleEvery: 0,
} as const;

export const ppoDefaults = {
  ...rolloutDefaults,
  valueInit: 'reward',
  valueLrScale: 1,
  valueClip: 0.2,
  valueCoef: 0.1,
  gamma: 1,
  lambda: 0.95,
  numGenerations: 1,
  klEstimator: 'k1',
  klHorizon: 10_000,
  whitenRewards: false,
  ptxCoef: 1,
  ptxBatchSize: 2,
} as const;

export const grpoDefaults = {
  ...rolloutDefaults,
  numGenerations: 4,
  baseline: 'grpo',
  loss: 'dapo',
  importanceSamplingLevel: 'token',
} as const;

/** Writes rows, or lines as they are, and returns the file's path. */
export function jsonl(folder: string, name: string, rows: readonly (object | string)[]): string {
  const path = join(folder, name);
  writeFileSync(path, rows.map((row) => (typeof row === 'string' ? row : JSON.stringify(row))).join('\n'));
  return path;
}

/** A number that each step logged. */
export function logged(out: string, field: string): number[] {
  return readMetrics(out)
    .records.filter(({ event }) => event === undefined)
    .map((record) => record[field] as number);
}

/** A number that each evaluation logged. */
export function evaluated(out: string, field: string): number[] {
  return readMetrics(out)
    .records.filter(({ event }) => event === 'evaluation')
    .map((record) => record[field] as number);
}
