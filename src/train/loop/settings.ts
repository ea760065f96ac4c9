/**
 * The settings that stages share, with their defaults. This file and each stage's `settings.ts` are
 * the only place where a default stands: the library, the command line, the packaged run and the
 * benchmarks read it from here. They import types only, so that `--help` needs no engine.
 */
import type { Precision } from '../../native/engine.ts';
import type { WeightDType } from '../../nn/decoder.ts';
import type { LoraTarget } from '../../nn/lora.ts';
import type { ScheduleName } from '../../optim/schedule.ts';

/** Settings of every stage. They decide a run's course and are saved with it. */
export interface CommonSettings {
  /** What to train on: a file or folder; each stage says which kind of rows. */
  data: string;
  /** Preset (pretraining only) or model folder to start from. */
  model: string;
  /** Precision of activations. */
  dtype: Precision;
  /** What matrices are kept in: f32 masters, or bf16 alone with stochastic rounding. */
  paramDtype: WeightDType;
  /** Seed of every random choice. */
  seed: number;
  /** Optimizer steps in all. */
  steps?: number | undefined;
  /** Batches summed into one update. */
  gradAccum: number;
  /** Peak learning rate; by model size where it is not given. */
  lr?: number | undefined;
  /** Course of the learning rate. */
  schedule: ScheduleName;
  /** Steps of linear warm-up. */
  warmupSteps: number;
  /** Learning rate at the end as a share of the peak. */
  minLrRatio: number;
  /** Of the schedule `wsd`: share of the run in which the rate decays. */
  decayRatio: number;
  /** Decoupled weight decay of matrices. */
  weightDecay: number;
  /** Largest gradient norm; larger gradients are scaled down to it. 0 turns clipping off. */
  maxGradNorm: number;
  /** What to do when the loss or the gradient norm jumps. */
  onSpike: 'warn' | 'skip' | 'stop';
  /** Standard deviations above the running mean that count as a jump. */
  spikeThreshold: number;
  /** Steps between evaluations; 0 evaluates at the end only. */
  evalEvery: number;
  /** Steps between checkpoints; 0 saves with evaluations only. */
  saveEvery: number;
  /** Steps between samples; 0 samples at the end only. */
  sampleEvery: number;
  /** Checkpoints to keep beside the best. */
  keepCheckpoints: number;
  /**
   * Recompute activations in the backward pass, which saves memory and costs about a
   * third more time.
   */
  gradientCheckpointing: boolean;
}

export const commonDefaults = {
  paramDtype: 'f32',
  seed: 0,
  gradAccum: 1,
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
}

/** Settings of the stages after pretraining, which start from a model folder and read rows. */
export interface TuningSettings extends CommonSettings, LoraSettings {
  /** What to do with a row of the data that cannot be used. */
  onBadLine: 'skip' | 'fail';
}

export const tuningDefaults = {
  ...commonDefaults,
  warmupSteps: 10,
  weightDecay: 0,
  loraRank: 0,
  loraAlpha: 16,
  loraTargets: ['all'],
  onBadLine: 'skip',
} as const satisfies Partial<TuningSettings>;

/** Settings of the stages that go through examples in epochs. */
export interface EpochSettings extends TuningSettings {
  /** Passes over the examples, where `steps` is not given. */
  epochs: number;
  /** Examples, comparisons or pairs in a batch. */
  batchSize: number;
  /** Longest example in tokens; the model's context where it is not given. */
  context?: number | undefined;
  /** Share of prompts that validate. */
  validationSplit: number;
  /** Evaluations without a better loss after which training ends; 0 never ends it. */
  patience: number;
}

export const epochDefaults = {
  ...tuningDefaults,
  validationSplit: 0.05,
  patience: 0,
} as const satisfies Partial<EpochSettings>;

/**
 * What a caller gives: `out`, and whatever differs from the defaults. `data` and `model` are
 * required of a new run; with `resume` the settings of the run in `out` are taken instead.
 */
export type StageOptions<Settings extends CommonSettings> = Omit<Partial<Settings>, 'dtype'> & {
  /** Folder for checkpoints, metrics, report and model. */
  out: string;
  /** Continue the run in `out`. */
  resume?: boolean;
  /** `auto`, the default, is bf16 where the hardware multiplies it. */
  dtype?: Precision | 'auto' | undefined;
};

/** What a model of a run is loaded or made with. */
export function modelOptions(settings: CommonSettings) {
  const { dtype, paramDtype, seed, gradientCheckpointing } = settings;
  return { dtype, weights: paramDtype, seed, checkpointActivations: gradientCheckpointing };
}
