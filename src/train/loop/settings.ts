/**
 * The settings that stages share, with their defaults. Defaults stand only here and in each stage's
 * `settings.ts`. The library, the command line, the packaged run and the benchmarks read them.
 * These files import types only, so that `--help` needs no engine.
 */
import type { FrozenFormat } from '../../native/binding/frozen.ts';
import type { Precision } from '../../native/engine.ts';
import type { WeightDType } from '../../nn/decoder.ts';
import type { LoraTarget } from '../../nn/lora.ts';
import type { ScheduleName } from '../../optim/schedule.ts';

/** The largest seed. The seeds of iterations are larger, and must be whole numbers too. */
export const MAX_SEED = 2 ** 52;

/** Settings of every stage. They decide the course of a run and are saved with it. */
export interface CommonSettings {
  /** Training data: a file or folder. Each stage has its own kind of rows. */
  data: string;
  /** Model folder to start from; for pretraining also the name of a preset. */
  model: string;
  /** Precision of activations. */
  dtype: Precision;
  /** Storage of weight matrices: f32 masters, or bf16 alone with stochastic rounding. */
  paramDtype: WeightDType;
  /** Seed of all random numbers. */
  seed: number;
  /** Number of optimizer steps. */
  steps?: number | undefined;
  /** Batches per update, over all ranks. */
  gradAccum: number;
  /**
   * On several ranks: 1 shares the optimizer's state out among them (ZeRO-1), 0 gives all of it to
   * each. The result is the same.
   */
  zero: number;
  /** Peak learning rate. Default: depends on the size of the model. */
  lr?: number | undefined;
  /** Learning rate schedule. */
  schedule: ScheduleName;
  /** Steps of linear warm-up. */
  warmupSteps: number;
  /** Final learning rate as a share of the peak. */
  minLrRatio: number;
  /** For the schedule `wsd`: share of the run in which the learning rate decays. */
  decayRatio: number;
  /** Decoupled weight decay of matrices. */
  weightDecay: number;
  /** Largest gradient norm; a larger gradient is scaled down to it. 0: no clipping. */
  maxGradNorm: number;
  /** What to do when the loss or the gradient norm jumps. */
  onSpike: 'warn' | 'skip' | 'stop';
  /** Standard deviations above the running mean that count as a jump. */
  spikeThreshold: number;
  /** Steps between evaluations; 0: only at the end. */
  evalEvery: number;
  /** Steps between checkpoints; 0: only with evaluations. */
  saveEvery: number;
  /** Steps between samples; 0: only at the end. */
  sampleEvery: number;
  /** Number of newest checkpoints to keep, in addition to the best one. */
  keepCheckpoints: number;
  /** Recompute activations in the backward pass: saves memory, takes about a third more time. */
  gradientCheckpointing: boolean;
}

export const commonDefaults = {
  paramDtype: 'f32',
  seed: 0,
  gradAccum: 1,
  zero: 1,
  schedule: 'cosine',
  warmupSteps: 50,
  minLrRatio: 0.1,
  decayRatio: 0.2,
  weightDecay: 0.1,
  maxGradNorm: 1,
  onSpike: 'warn',
  spikeThreshold: 6,
  evalEvery: 250,
  saveEvery: 250,
  sampleEvery: 0,
  keepCheckpoints: 2,
  gradientCheckpointing: false,
} as const satisfies Partial<CommonSettings>;

export interface LoraSettings {
  /** Rank of the adapters; 0 trains the whole model. */
  loraRank: number;
  /** Scale of the adapters: alpha / rank. */
  loraAlpha: number;
  /** Projections that get an adapter. */
  loraTargets: readonly (LoraTarget | 'all')[];
  /** Form of the frozen projections under adapters. Default: as `paramDtype` says. */
  baseDtype?: FrozenFormat | undefined;
}

/** Settings of the stages after pretraining, which start from a model folder and read rows. */
export interface TuningSettings extends CommonSettings, LoraSettings {
  /** What to do with a row that cannot be used. */
  onBadLine: 'skip' | 'fail';
  /** The split of a dataset folder. Default: `train`, or the only one. */
  split?: string | undefined;
  /** New names of fields of rows, as `new=old` with commas between two. */
  columns: readonly string[];
  /** The most rows that are used, the first ones. Default: all. */
  limit?: number | undefined;
}

export const tuningDefaults = {
  ...commonDefaults,
  warmupSteps: 10,
  weightDecay: 0,
  loraRank: 0,
  loraAlpha: 16,
  loraTargets: ['all'],
  onBadLine: 'skip',
  columns: [],
} as const satisfies Partial<TuningSettings>;

/** Settings of the stages that go through examples in epochs. */
export interface EpochSettings extends TuningSettings {
  /** Passes over the examples, unless `steps` is given. */
  epochs: number;
  /** Examples, comparisons or pairs per batch. */
  batchSize: number;
  /** Longest example in tokens. Default: the model's context. */
  context?: number | undefined;
  /** Share of prompts that are held out for validation. */
  validationSplit: number;
  /** Training ends after this many evaluations without a better loss; 0: never. */
  patience: number;
}

export const epochDefaults = {
  ...tuningDefaults,
  validationSplit: 0.05,
  patience: 0,
} as const satisfies Partial<EpochSettings>;

/**
 * The options of a training function: `out`, and all settings that differ from the defaults. A new
 * run needs `data` and `model`. With `resume` the run in `out` continues with its own settings.
 */
export type StageOptions<Settings extends CommonSettings> = Omit<Partial<Settings>, 'dtype'> & {
  /** Folder for checkpoints, metrics, report and model. */
  out: string;
  /** Continue the run in `out`. */
  resume?: boolean;
  /** `auto`, the default, is bf16 where the hardware multiplies it. */
  dtype?: Precision | 'auto' | undefined;
};

/** Options for loading or making a model of a run. */
export function modelOptions(settings: CommonSettings) {
  const { dtype, paramDtype, seed, gradientCheckpointing } = settings;
  return { dtype, weights: paramDtype, seed, checkpointActivations: gradientCheckpointing };
}

/** The same for the model that a stage trains, and for its frozen start as a reference. */
export function policyOptions(settings: TuningSettings) {
  return { ...modelOptions(settings), frozenProjections: settings.baseDtype };
}
