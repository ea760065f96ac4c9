/**
 * Options of the training commands. A setting has one option with one meaning in every command; its
 * default is the stage's own (src/train/<stage>/settings.ts).
 */
import type { commonDefaults, LoraSettings, tuningDefaults } from '../train/loop/settings.ts';
import type { RolloutSettings } from '../train/rl/settings.ts';
import { choice, flag, inGroup, integer, list, number, path, text } from './options.ts';

/** The same keys with any values of their kind, as another stage may choose them. */
type Wide<T> = {
  [K in keyof T]: T[K] extends number
    ? number
    : T[K] extends boolean
      ? boolean
      : T[K] extends string
        ? string
        : T[K];
};
type Schedule = { schedule: 'cosine' | 'wsd' | 'linear' | 'constant' };
type CommonDefaults = Wide<Omit<typeof commonDefaults, 'schedule'>> & Schedule;
type TuningDefaults = Wide<Omit<typeof tuningDefaults, 'schedule' | 'loraTargets'>> & Schedule;

const out = path('folder to write checkpoints, metrics, report and model to', { required: true });

export const paramDtypeOption = choice(
  'what matrices are kept in: f32 masters, or bf16 alone with stochastic rounding',
  ['f32', 'bf16'],
  { default: 'f32' },
);

/** Of every stage. */
export function trainingOptions(defaults: CommonDefaults) {
  return {
    ...inGroup('Run', {
      out,
      resume: flag('continue the run in --out'),
      steps: integer('optimizer steps in all', { min: 1 }),
      saveEvery: integer('steps between checkpoints (0: with evaluations only)', {
        default: defaults.saveEvery,
        min: 0,
      }),
      keepCheckpoints: integer('checkpoints to keep beside the best', {
        default: defaults.keepCheckpoints,
        min: 1,
      }),
    }),
    ...inGroup('Model', {
      paramDtype: paramDtypeOption,
      gradientCheckpointing: flag('recompute activations in the backward pass to save memory'),
    }),
    ...inGroup('Optimizer', {
      lr: number('peak learning rate (default: by model size)', { min: 0, exclusive: true }),
      schedule: choice('course of the learning rate', ['cosine', 'wsd', 'linear', 'constant'], {
        default: defaults.schedule,
      }),
      warmupSteps: integer('steps of linear warm-up', { default: defaults.warmupSteps, min: 0 }),
      minLrRatio: number('learning rate at the end as a share of the peak', {
        default: defaults.minLrRatio,
        min: 0,
        max: 1,
      }),
      decayRatio: number('wsd: share of the run in which the rate decays', {
        default: defaults.decayRatio,
        min: 0,
        max: 1,
      }),
      weightDecay: number('decoupled weight decay of matrices', { default: defaults.weightDecay, min: 0 }),
      maxGradNorm: number('largest gradient norm (0: no clipping)', {
        default: defaults.maxGradNorm,
        min: 0,
      }),
      gradAccum: integer('batches summed into one update', { default: defaults.gradAccum, min: 1 }),
      onSpike: choice('what to do when the loss or the gradient norm jumps', ['warn', 'skip', 'stop'], {
        default: 'warn',
      }),
      spikeThreshold: number('standard deviations that count as a jump', {
        default: defaults.spikeThreshold,
        min: 0,
        exclusive: true,
      }),
    }),
    ...inGroup('Evaluation', {
      evalEvery: integer('steps between evaluations (0: at the end only)', {
        default: defaults.evalEvery,
        min: 0,
      }),
      sampleEvery: integer('steps between samples (0: at the end only)', {
        default: defaults.sampleEvery,
        min: 0,
      }),
    }),
  };
}

/** Of the stages after pretraining, which start from a model folder and read rows. */
export function tuningOptions(defaults: TuningDefaults) {
  return {
    ...inGroup('Run', { model: path('folder of the model to start from') }),
    ...trainingOptions(defaults),
    ...inGroup('Data', {
      onBadLine: choice('what to do with a row of the data that cannot be used', ['skip', 'fail'], {
        default: 'skip',
      }),
    }),
    ...inGroup('Model', {
      loraRank: integer(
        'rank of LoRA adapters, which train at ten times the learning rate (0: train the whole model)',
        { default: defaults.loraRank, min: 0 },
      ),
      loraAlpha: number('scale of the adapters: alpha / rank', {
        default: defaults.loraAlpha,
        min: 0,
        exclusive: true,
      }),
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
    }),
  };
}

/** Of the stages that learn from examples in epochs. */
export function epochOptions(defaults: {
  epochs: number;
  batchSize: number;
  validationSplit: number;
  patience: number;
}) {
  return {
    ...inGroup('Data', {
      epochs: number('passes over the data, if --steps is not given', {
        default: defaults.epochs,
        min: 0,
        exclusive: true,
      }),
      context: integer("longest example in tokens (default: the model's context)", { min: 2 }),
    }),
    ...inGroup('Evaluation', {
      validationSplit: number('share of prompts kept to validate on', {
        default: defaults.validationSplit,
        min: 0,
        max: 0.5,
      }),
      patience: integer('evaluations without a better loss after which to stop (0: never)', {
        default: defaults.patience,
        min: 0,
      }),
    }),
  };
}

/** Of the stages that show samples of what the model says. */
export function sampleOptions(what: string, defaults: { sampleTokens: number }) {
  return inGroup('Evaluation', {
    samplePrompt: list(text(what)),
    sampleTokens: integer('new tokens in a sample', { default: defaults.sampleTokens, min: 1 }),
  });
}

type RolloutDefaults = TuningDefaults &
  Pick<
    RolloutSettings,
    | 'iterations'
    | 'rolloutSize'
    | 'numGenerations'
    | 'batchSize'
    | 'epochs'
    | 'maxPromptLength'
    | 'maxResponseLength'
    | 'temperature'
    | 'decodeBatchSize'
    | 'missingEos'
    | 'missingEosValue'
    | 'rewardClip'
    | 'klCoef'
    | 'entropyCoef'
    | 'clipLow'
    | 'clipHigh'
    | 'emaDecay'
    | 'evalPrompts'
    | 'adamEps'
    | 'adamEpsPlacement'
  >;

/** Of the stages that sample responses and learn from rewards: PPO and GRPO. */
export function rolloutOptions(defaults: RolloutDefaults) {
  return {
    ...inGroup('Run', { data: path('prompts (.jsonl): prompt or messages') }),
    ...tuningOptions(defaults),
    ...inGroup('Rollout', {
      iterations: integer('iterations in all: one rollout and its updates each', {
        default: defaults.iterations,
        min: 1,
      }),
      rolloutSize: integer('responses per rollout', { default: defaults.rolloutSize, min: 1 }),
      numGenerations: integer('responses per prompt', { default: defaults.numGenerations, min: 1 }),
      maxPromptLength: integer('longest prompt in tokens; longer prompts are left out', {
        default: defaults.maxPromptLength,
        min: 1,
      }),
      maxResponseLength: integer('new tokens per response at most', {
        default: defaults.maxResponseLength,
        min: 1,
      }),
      temperature: number('temperature of sampling and of every log-probability', {
        default: defaults.temperature,
        min: 0,
        exclusive: true,
      }),
      decodeBatchSize: integer('responses decoded at once', { default: defaults.decodeBatchSize, min: 1 }),
    }),
    ...inGroup('Reward', {
      reward: path('reward model folder'),
      rewardFn: path('JavaScript file that exports (prompt, response, row) => number, instead of --reward'),
      missingEos: choice(
        'what a response that never stopped gets: a fixed score, a penalty, or neither',
        ['score', 'penalty', 'none'],
        { default: defaults.missingEos },
      ),
      missingEosValue: number('that score or penalty', { default: defaults.missingEosValue }),
      rewardClip: number('largest absolute score (0: any)', { default: defaults.rewardClip, min: 0 }),
    }),
    ...inGroup('Loss', {
      epochs: integer('passes over each rollout', { default: defaults.epochs, min: 1 }),
      batchSize: integer('responses in a batch; an update takes --grad-accum batches', {
        default: defaults.batchSize,
        min: 1,
      }),
      klCoef: number('weight of the KL divergence from the starting model', {
        default: defaults.klCoef,
        min: 0,
      }),
      entropyCoef: number('weight of an entropy bonus', { default: defaults.entropyCoef, min: 0 }),
      clipLow: number('lower bound of the policy ratio: 1 - value', {
        default: defaults.clipLow,
        min: 0,
        max: 1,
      }),
      clipHigh: number('upper bound of the policy ratio: 1 + value', { default: defaults.clipHigh, min: 0 }),
      dualClip: number('bound on the cost of a token of negative advantage, as a multiple of it', {
        min: 1,
        exclusive: true,
      }),
      maxApproxKl: number(
        'mean of squared log-ratios, halved, beyond which the rest of a rollout is dropped',
        {
          min: 0,
          exclusive: true,
        },
      ),
    }),
    ...inGroup('Optimizer', {
      emaDecay: number('decay per rollout of averaged weights, which are then saved (0: no average)', {
        default: defaults.emaDecay,
        min: 0,
        max: 1,
      }),
      adamEps: number("AdamW's epsilon", { default: defaults.adamEps, min: 0, exclusive: true }),
      adamEpsPlacement: choice(
        'where epsilon is added: after the bias correction (torch), or before it (tensorflow)',
        ['torch', 'tensorflow'],
        { default: defaults.adamEpsPlacement },
      ),
    }),
    ...inGroup('Evaluation', {
      evalPrompts: integer('prompts kept out of training to evaluate on', {
        default: defaults.evalPrompts,
        min: 0,
      }),
    }),
  };
}

/** The projections named; none named leaves the choice to the stage. */
export function loraTargetsOf(named: LoraSettings['loraTargets']): LoraSettings['loraTargets'] | undefined {
  return named.length > 0 ? named : undefined;
}
