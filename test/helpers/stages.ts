/** Stages run in this process on tiny models: settings that their commands would give, and data files. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { readMetrics } from '../../src/report/metrics-log.ts';

/** Of every stage after pretraining; 1 epoch in f32, at a learning rate that does something in few steps. */
export const tuning = {
  dtype: 'f32',
  seed: 3,
  epochs: 1,
  batchSize: 4,
  gradAccum: 1,
  lr: 3e-3,
  schedule: 'constant',
  warmup: 0,
  finalLr: 1,
  decay: 0.2,
  weightDecay: 0,
  clip: 0,
  onSpike: 'warn',
  spikeThreshold: 100,
  evalEvery: 0,
  saveEvery: 0,
  keep: 2,
  checkpointActivations: false,
  resume: false,
  loraRank: 0,
  loraAlpha: 16,
  loraTargets: ['all'],
  validation: 0,
  patience: 0,
  onBadLine: 'stop',
} as const;

export const sftDefaults = {
  ...tuning,
  packing: true,
  overLong: 'truncate',
  neftune: 0,
  sampleEvery: 0,
  samplePrompt: [],
  sampleTokens: 8,
} as const;

export const rewardDefaults = { ...tuning, centering: 0 } as const;

export const dpoDefaults = { ...tuning, beta: 0.1, loss: 'sigmoid', labelSmoothing: 0 } as const;

/** Three rollouts of eight short responses, two epochs each. */
export const rolloutDefaults = {
  ...tuning,
  epochs: 2,
  rollouts: 3,
  rollout: 8,
  maxPrompt: 40,
  maxResponse: 8,
  temperature: 1,
  decodeBatch: 3,
  missingEos: 'score',
  missingEosValue: -1,
  rewardClip: 0,
  klCoef: 0.05,
  entropyCoef: 0,
  clipLow: 0.2,
  clipHigh: 0.2,
  ema: 0,
  evalPrompts: 2,
  adamEps: 1e-5,
  adamEpsPlacement: 'torch',
  sampleEvery: 0,
} as const;

export const ppoDefaults = {
  ...rolloutDefaults,
  value: 'reward',
  valueLr: 1,
  valueClip: 0.2,
  valueCoef: 0.1,
  gamma: 1,
  lambda: 0.95,
  group: 1,
  klEstimator: 'k1',
  klHorizon: 10_000,
  whitenRewards: false,
  ptxCoef: 1,
  ptxBatch: 2,
} as const;

export const grpoDefaults = { ...rolloutDefaults, group: 4, baseline: 'grpo' } as const;

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
