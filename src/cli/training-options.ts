/**
 * Options of the training commands. An option has the same meaning in every command. Its default is
 * that of the stage (src/train/<stage>/settings.ts).
 */
import { MIN_TEMPERATURE } from '../generate/sampling-range.ts';
import type { commonDefaults, tuningDefaults } from '../train/loop/settings.ts';
import { LARGEST_SCORE, type RolloutSettings, type rolloutDefaults } from '../train/rl/settings.ts';
import {
  choice,
  duration,
  flag,
  inGroup,
  integer,
  list,
  model,
  number,
  path,
  processes,
  text,
} from './options.ts';

/** The same keys with wider types, because another stage may have other defaults. */
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

const out = path('folder for checkpoints, metrics, report and model', { required: true });

export const paramDtypeOption = choice(
  'storage of weight matrices: f32 masters, or bf16 alone with stochastic rounding',
  ['f32', 'bf16'],
  { default: 'f32' },
);

export const baseDtypeOption = choice(
  'form of the frozen projections under adapters: int8 or nf4 (default: that of --param-dtype)',
  ['int8', 'nf4'],
);

/** Options of every stage. */
export function trainingOptions(defaults: CommonDefaults) {
  return {
    ...inGroup('Run', {
      out,
      resume: flag('continue the run in --out'),
      dataParallel: processes(
        'processes that train together on this machine; auto: one for each GPU, off: this one alone',
      ),
      steps: integer('number of optimizer steps', { min: 1 }),
      saveEvery: integer('steps between checkpoints (0: only with evaluations)', {
        default: defaults.saveEvery,
        min: 0,
      }),
      keepCheckpoints: integer('newest checkpoints to keep, in addition to the best one', {
        default: defaults.keepCheckpoints,
        min: 1,
      }),
    }),
    ...inGroup('Model', {
      paramDtype: paramDtypeOption,
      gradientCheckpointing: flag('recompute activations in the backward pass to save memory'),
    }),
    ...inGroup('Optimizer', {
      lr: number('peak learning rate (default: depends on the size of the model)', { min: 0 }),
      schedule: choice(
        'learning rate schedule: cosine, wsd (warm-up, stable, decay), linear or constant',
        ['cosine', 'wsd', 'linear', 'constant'],
        {
          default: defaults.schedule,
        },
      ),
      warmupSteps: integer('steps of linear warm-up', { default: defaults.warmupSteps, min: 0 }),
      minLrRatio: number('final learning rate as a share of the peak', {
        default: defaults.minLrRatio,
        min: 0,
        max: 1,
      }),
      decayRatio: number('wsd: share of the run in which the learning rate decays', {
        default: defaults.decayRatio,
        min: 0,
        max: 1,
      }),
      weightDecay: number('decoupled weight decay of matrices', { default: defaults.weightDecay, min: 0 }),
      maxGradNorm: number('clip gradients to this norm (0: no clipping)', {
        default: defaults.maxGradNorm,
        min: 0,
      }),
      gradAccum: integer('batches per update, over all ranks', { default: defaults.gradAccum, min: 1 }),
      zero: integer(
        'on several ranks: share out nothing (0), the state of the optimizer (1), gradients too (2), weights too (3)',
        {
          default: defaults.zero,
          min: 0,
          max: 3,
        },
      ),
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
      evalEvery: integer('steps between evaluations (0: only at the end)', {
        default: defaults.evalEvery,
        min: 0,
      }),
      sampleEvery: integer('steps between samples (0: only at the end)', {
        default: defaults.sampleEvery,
        min: 0,
      }),
    }),
  };
}

/** Options of commands that read rows. */
export function rowOptions() {
  return {
    onBadLine: choice('what to do with a row that cannot be used', ['skip', 'fail'], { default: 'skip' }),
    split: text('split of a dataset folder (default: train, or the only one)'),
    columns: list(
      text('new names of fields, such as prompt=question,completion=answer', {
        placeholder: '<new=old,...>',
      }),
    ),
    limit: integer('use only so many rows, the first ones', { min: 1 }),
  };
}

/** Options of the stages after pretraining: they start from a model folder and read rows. */
export function tuningOptions(defaults: TuningDefaults) {
  return {
    ...inGroup('Run', { model: model('folder of the model to start from (required for a new run)') }),
    ...trainingOptions(defaults),
    ...inGroup('Data', {
      ...rowOptions(),
    }),
    ...inGroup('Model', {
      loraRank: integer(
        'rank of LoRA adapters, which use ten times the learning rate (0: train the whole model)',
        { default: defaults.loraRank, min: 0 },
      ),
      loraAlpha: number('scale of the adapters: alpha / rank', {
        default: defaults.loraAlpha,
        min: 0,
        exclusive: true,
      }),
      loraTargets: list(
        choice('projections that get an adapter: all (the default), qkv, output, up, gate_up or down', [
          'all',
          'qkv',
          'output',
          'up',
          'gate_up',
          'down',
        ]),
      ),
      baseDtype: baseDtypeOption,
    }),
  };
}

/** Options of the stages that learn from examples in epochs. */
export function epochOptions(defaults: {
  epochs: number;
  batchSize: number;
  validationSplit: number;
  patience: number;
}) {
  return {
    ...inGroup('Data', {
      epochs: number('passes over the data, unless --steps is given', {
        default: defaults.epochs,
        min: 0,
        exclusive: true,
      }),
      context: integer("longest example in tokens (default: the model's context)", { min: 2 }),
    }),
    ...inGroup('Evaluation', {
      validationSplit: number('share of prompts held out for validation', {
        default: defaults.validationSplit,
        min: 0,
        max: 0.5,
      }),
      patience: integer('stop after this many evaluations without a better loss (0: never)', {
        default: defaults.patience,
        min: 0,
      }),
    }),
  };
}

/** Options of the stages that show samples from the model. */
export function sampleOptions(what: string, defaults: { sampleTokens: number }) {
  return inGroup('Evaluation', {
    samplePrompt: list(text(what)),
    sampleTokens: integer('new tokens per sample', { default: defaults.sampleTokens, min: 1 }),
  });
}

type RolloutDefaults = TuningDefaults &
  Pick<RolloutSettings, keyof typeof rolloutDefaults | 'epochs' | 'numGenerations' | 'klCoef'>;

/** Options of the stages that sample responses and learn from rewards: PPO and GRPO. */
export function rolloutOptions(defaults: RolloutDefaults) {
  return {
    ...inGroup('Run', {
      data: path(
        'prompts: a file of JSON Lines, JSON, Parquet or Arrow, or a folder of them (required for a new run)',
      ),
    }),
    ...tuningOptions(defaults),
    ...inGroup('Rollout', {
      iterations: integer('number of iterations; each is one rollout with its updates', {
        default: defaults.iterations,
        min: 1,
      }),
      rolloutSize: integer('responses per rollout', { default: defaults.rolloutSize, min: 1 }),
      numGenerations: integer('responses per prompt', { default: defaults.numGenerations, min: 1 }),
      maxPromptLength: integer('longest prompt in tokens; longer prompts are left out', {
        default: defaults.maxPromptLength,
        min: 1,
      }),
      maxResponseLength: integer('largest number of new tokens per response', {
        default: defaults.maxResponseLength,
        min: 1,
      }),
      temperature: number('temperature of sampling and of every log-probability', {
        default: defaults.temperature,
        min: MIN_TEMPERATURE,
      }),
      decodeBatchSize: integer('responses to decode at the same time', {
        default: defaults.decodeBatchSize,
        min: 1,
      }),
      rolloutQuantize: choice(
        'weights that draw the responses; the policy itself computes their log-probabilities',
        ['none', 'int8'],
        { default: defaults.rolloutQuantize },
      ),
    }),
    ...inGroup('Reward', {
      reward: model('folder of the reward model'),
      rewardFn: path('JavaScript file that exports (prompt, response, row) => number; replaces --reward'),
      rewardTimeout: duration('time in which the reward function must score one answer', {
        default: defaults.rewardTimeout,
        min: 0,
        exclusive: true,
      }),
      missingEos: choice(
        'rule for responses without an end token: a fixed score, a penalty on the score, or none',
        ['score', 'penalty', 'none'],
        { default: defaults.missingEos },
      ),
      missingEosValue: number('the fixed score or the penalty of --missing-eos', {
        default: defaults.missingEosValue,
        min: -LARGEST_SCORE,
        max: LARGEST_SCORE,
      }),
      rewardClip: number('largest absolute score; larger scores are clipped (0: no limit)', {
        default: defaults.rewardClip,
        min: 0,
      }),
    }),
    ...inGroup('Loss', {
      epochs: integer('passes over each rollout', { default: defaults.epochs, min: 1 }),
      batchSize: integer('responses per batch; an update takes --grad-accum batches', {
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
      dualClip: number('largest loss of a token with a negative advantage, in multiples of the advantage', {
        min: 1,
        exclusive: true,
      }),
      maxApproxKl: number('drop the rest of a rollout once half the mean squared log-ratio is above this', {
        min: 0,
        exclusive: true,
      }),
    }),
    ...inGroup('Optimizer', {
      emaDecay: number(
        'decay per rollout of an average of the weights; the average is saved (0: no average)',
        {
          default: defaults.emaDecay,
          min: 0,
          max: 1,
        },
      ),
      adamEps: number("AdamW's epsilon", { default: defaults.adamEps, min: 0, exclusive: true }),
      adamEpsPlacement: choice(
        'add epsilon after the bias correction (torch) or before it (tensorflow)',
        ['torch', 'tensorflow'],
        { default: defaults.adamEpsPlacement },
      ),
    }),
    ...inGroup('Evaluation', {
      evalPrompts: integer('prompts held out for evaluation', {
        default: defaults.evalPrompts,
        min: 0,
      }),
    }),
  };
}
