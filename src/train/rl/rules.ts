import { MIN_TEMPERATURE } from '../../generate/sampling-range.ts';
import { tuningRules } from '../loop/common-rules.ts';
import {
  bits,
  type Expectation,
  either,
  fixed,
  free,
  length,
  place,
  real,
  type SettingRules,
  text,
  toggle,
  whole,
  word,
} from '../loop/setting-rules.ts';
import { type GrpoSettings, LARGEST_SCORE, type PpoSettings, type RolloutSettings } from './settings.ts';

const aFunction: Expectation = {
  text: 'a function',
  accepts: (value) => typeof value === 'function',
};
const above = (min: number) => real({ min, exclusive: true });
const atLeast0 = real({ min: 0 });

const group: Expectation = {
  ...whole(2),
  text: 'a whole number of at least 2 (a group of 1 has no others to compare a response with)',
};

const rollout = 'the rollout in the checkpoint was made with it';

const rolloutRules: SettingRules<RolloutSettings> = {
  ...tuningRules,
  reward: place('score'),
  rewardFn: place('file', { expects: either(text, aFunction) }),
  rewardTimeout: free(above(0)),
  iterations: length(whole(1)),
  rolloutSize: fixed(rollout, whole(1)),
  numGenerations: fixed(rollout, whole(1)),
  batchSize: bits(whole(1)),
  epochs: bits(whole(1)),
  maxPromptLength: fixed('it decides which prompts are trained on', whole(1)),
  maxResponseLength: bits(whole(1)),
  temperature: fixed(rollout, real({ min: MIN_TEMPERATURE })),
  decodeBatchSize: free(whole(1)),
  rolloutQuantize: bits(word('none', 'int8')),
  missingEos: bits(word('score', 'penalty', 'none')),
  missingEosValue: bits(real({ min: -LARGEST_SCORE, max: LARGEST_SCORE })),
  rewardClip: bits(atLeast0),
  klCoef: bits(atLeast0),
  entropyCoef: bits(atLeast0),
  clipLow: bits(real({ min: 0, max: 1 })),
  clipHigh: bits(atLeast0),
  dualClip: bits(above(1)),
  maxApproxKl: bits(above(0)),
  emaDecay: fixed('the average in the checkpoint was made with it', real({ min: 0, max: 1 })),
  evalPrompts: fixed('it decides which prompts are trained on', whole(0)),
  adamEps: bits(above(0)),
  adamEpsPlacement: bits(word('torch', 'tensorflow')),
};

/** The rules of the settings of PPO. */
export const ppoRules: SettingRules<PpoSettings> = {
  ...rolloutRules,
  valueInit: place('any-model', { isName: (name) => name === 'reward' || name === 'head' }),
  valueLrScale: bits(above(0)),
  valueClip: bits(atLeast0),
  valueCoef: bits(above(0)),
  gamma: bits(real({ min: 0, max: 1 })),
  lambda: bits(real({ min: 0, max: 1 })),
  klEstimator: bits(word('k1', 'k2', 'k3')),
  targetKl: bits(above(0)),
  klHorizon: bits(above(0)),
  whitenRewards: bits(toggle),
  ptxData: place('shards'),
  ptxCoef: fixed('the place in the pretraining text belongs to it', atLeast0),
  ptxBatchSize: bits(whole(1)),
};

/** The rules of the settings of GRPO. */
export const grpoRules: SettingRules<GrpoSettings> = {
  ...rolloutRules,
  numGenerations: fixed(rollout, group),
  baseline: bits(word('grpo', 'dr-grpo', 'rloo')),
  loss: bits(word('dapo', 'grpo', 'dr-grpo', 'bnpo')),
  importanceSamplingLevel: bits(word('token', 'sequence')),
};
