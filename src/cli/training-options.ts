/** Options that training stages share, with one meaning; a stage overrides a default by listing the option again. */
import { choice, flag, integer, list, number, path } from './options.ts';

export const trainingOptions = {
  steps: integer('optimizer steps in all', { min: 1 }),
  gradAccum: integer('batches summed into one update', { default: 1, min: 1 }),
  lr: number('peak learning rate (default: by model size)', { min: 0, exclusive: true }),
  schedule: choice('course of the learning rate', ['cosine', 'wsd', 'linear', 'constant'], {
    default: 'cosine',
  }),
  warmup: integer('steps of linear warm-up', { default: 50, min: 0 }),
  finalLr: number('learning rate at the end, as a share of the peak', { default: 0.1, min: 0, max: 1 }),
  decay: number('wsd: share of the run in which the rate decays', { default: 0.2, min: 0, max: 1 }),
  weightDecay: number('decoupled weight decay of matrices', { default: 0.1, min: 0 }),
  clip: number('largest gradient norm (0: no clipping)', { default: 1, min: 0 }),
  onSpike: choice('what to do when loss or gradient norm jumps', ['warn', 'skip', 'stop'], {
    default: 'warn',
  }),
  spikeThreshold: number('standard deviations that count as a jump', { default: 6, min: 0, exclusive: true }),
  evalEvery: integer('steps between evaluations (0: at the end only)', { default: 250, min: 0 }),
  saveEvery: integer('steps between checkpoints (0: with evaluations only)', { default: 250, min: 0 }),
  keep: integer('checkpoints to keep beside the best', { default: 2, min: 1 }),
  weights: choice(
    'what matrices are kept in: f32 masters, or bf16 alone with stochastic rounding',
    ['f32', 'bf16'],
    {
      default: 'f32',
    },
  ),
  checkpointActivations: flag('recompute activations in the backward pass to save memory'),
  resume: flag('continue the run in --out'),
};

/** Of the stages after pretraining, which start from a model folder. */
export const tuningOptions = {
  ...trainingOptions,
  model: path('folder of the model to start from'),
  out: path('folder to write checkpoints, metrics, report and model to', { required: true }),
  onBadLine: choice('what to do with a line of the data that cannot be used', ['skip', 'stop'], {
    default: 'skip',
  }),
  loraRank: integer(
    'train adapters of this rank instead of the whole model, by default at ten times its rate (0: the whole model)',
    { default: 0, min: 0 },
  ),
  loraAlpha: number('adapters count alpha / rank times', { default: 16, min: 0, exclusive: true }),
  loraTargets: list(
    choice('projections that get an adapter (default: all)', [
      'all',
      'qkv',
      'output',
      'up',
      'gate_up',
      'down',
    ]),
  ),
  warmup: integer('steps of linear warm-up', { default: 10, min: 0 }),
  weightDecay: number('decoupled weight decay of matrices', { default: 0, min: 0 }),
};

/** Of the stages that learn from examples in epochs. */
export const epochOptions = {
  context: integer("longest example in tokens (default: the model's context)", { min: 2 }),
  validation: number('share of prompts kept to validate on', { default: 0.05, min: 0, max: 0.5 }),
  patience: integer('evaluations without a better loss after which to stop (0: never)', {
    default: 0,
    min: 0,
  }),
};

/** Of the stages that sample responses and learn from rewards: PPO and GRPO. */
export const rolloutOptions = {
  ...tuningOptions,
  data: path('prompts (.jsonl): prompt or messages'),
  reward: path('reward model folder'),
  rewardFn: path('JavaScript file that exports (prompt, response, row) => number, instead of --reward'),
  rollouts: integer('rollouts in all', { default: 100, min: 1 }),
  rollout: integer('responses of a rollout', { default: 128, min: 1 }),
  batchSize: integer('responses in a batch; an update takes --grad-accum of them', { default: 32, min: 1 }),
  epochs: integer('passes over each rollout', { default: 4, min: 1 }),
  maxPrompt: integer('longest prompt in tokens; longer ones are left out', { default: 128, min: 1 }),
  maxResponse: integer('new tokens of a response at most', { default: 64, min: 1 }),
  temperature: number('of sampling, and of every log-probability', {
    default: 1,
    min: 0,
    exclusive: true,
  }),
  decodeBatch: integer('responses decoded at once', { default: 64, min: 1 }),
  missingEos: choice(
    'a response that never stopped: gets a fixed score, loses a penalty, or neither',
    ['score', 'penalty', 'none'],
    { default: 'score' },
  ),
  missingEosValue: number('that score or penalty', { default: -1 }),
  rewardClip: number('largest absolute score (0: any)', { default: 0, min: 0 }),
  klCoef: number('weight of the KL divergence from the starting model', { default: 0.05, min: 0 }),
  entropyCoef: number('weight of an entropy bonus', { default: 0, min: 0 }),
  clipLow: number('the ratio counts down to 1 - this', { default: 0.2, min: 0, max: 1 }),
  clipHigh: number('the ratio counts up to 1 + this', { default: 0.2, min: 0 }),
  dualClip: number('bound on the cost of a token of negative advantage, a multiple of it', {
    min: 1,
    exclusive: true,
  }),
  maxApproxKl: number('drop the rest of a rollout beyond this mean of squared log-ratios / 2', {
    min: 0,
    exclusive: true,
  }),
  ema: number('decay a rollout of averaged weights, which are then what is saved (0: none)', {
    default: 0,
    min: 0,
    max: 1,
  }),
  evalPrompts: integer('prompts kept out of training to evaluate on', { default: 64, min: 0 }),
  evalEvery: integer('steps between evaluations (0: at the end only)', { default: 0, min: 0 }),
  adamEps: number("AdamW's epsilon", { default: 1e-5, min: 0, exclusive: true }),
  adamEpsPlacement: choice('epsilon after the bias correction, or before it', ['torch', 'tensorflow'], {
    default: 'torch',
  }),
  schedule: choice('course of the learning rate', ['cosine', 'wsd', 'linear', 'constant'], {
    default: 'linear',
  }),
  finalLr: number('learning rate at the end, as a share of the peak', { default: 0, min: 0, max: 1 }),
  sampleEvery: integer('steps between responses shown (0: at the end only)', { default: 0, min: 0 }),
};

/** The projections named, or all. */
export function loraTargetsOf<T>(named: readonly T[]): readonly (T | 'all')[] {
  return named.length > 0 ? named : ['all'];
}
