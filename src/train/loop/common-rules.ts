/** The rules of the settings that stages share. */
import {
  bits,
  fixed,
  free,
  length,
  place,
  real,
  type SettingRules,
  text,
  texts,
  toggle,
  whole,
  word,
  wordsOf,
} from './setting-rules.ts';
import { type CommonSettings, type EpochSettings, MAX_SEED, type TuningSettings } from './settings.ts';

const above = (min: number) => real({ min, exclusive: true });
const share = real({ min: 0, max: 1 });

const adapters = 'the adapters in the checkpoint have this shape';
const rows = 'it decides which rows are trained on';

export const commonRules: SettingRules<CommonSettings> = {
  data: place('file'),
  model: place('language-model'),
  dtype: bits(word('auto', 'f32', 'bf16')),
  paramDtype: fixed('the checkpoint holds the weights in this form', word('f32', 'bf16')),
  seed: fixed('the order of the data and all random numbers follow from it', whole(0, MAX_SEED)),
  steps: length(whole(1)),
  gradAccum: bits(whole(1)),
  zero: free(whole(0, 3)),
  lr: bits(real({ min: 0 })),
  schedule: bits(word('cosine', 'wsd', 'linear', 'constant')),
  warmupSteps: bits(whole(0)),
  minLrRatio: bits(share),
  decayRatio: bits(share),
  weightDecay: bits(real({ min: 0 })),
  maxGradNorm: bits(real({ min: 0 })),
  onSpike: bits(word('warn', 'skip', 'stop')),
  spikeThreshold: bits(above(0)),
  evalEvery: free(whole(0)),
  saveEvery: free(whole(0)),
  sampleEvery: free(whole(0)),
  keepCheckpoints: free(whole(1)),
  gradientCheckpointing: free(toggle),
};

export const tuningRules: SettingRules<TuningSettings> = {
  ...commonRules,
  loraRank: fixed(adapters, whole(0)),
  loraAlpha: fixed('the adapters in the checkpoint were trained with it', above(0)),
  loraTargets: fixed(adapters, wordsOf('all', 'qkv', 'output', 'up', 'gate_up', 'down')),
  baseDtype: fixed('the adapters in the checkpoint were trained on it', word('int8', 'nf4')),
  onBadLine: free(word('skip', 'fail')),
  split: fixed(rows, text),
  columns: fixed('it decides what is read of a row', texts),
  limit: fixed(rows, whole(1)),
};

export const epochRules: SettingRules<EpochSettings> = {
  ...tuningRules,
  epochs: length(above(0)),
  batchSize: bits(whole(1)),
  context: fixed('it decides how examples are cut', whole(2)),
  validationSplit: fixed(rows, real({ min: 0, max: 0.5 })),
  patience: free(whole(0)),
};

/** Settings of the samples that a stage shows. */
export const sampleRules = { sampleTokens: free(whole(1)) };
