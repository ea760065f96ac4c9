/** The settings of PPO and GRPO, with their defaults. */
import type { RewardFunction } from '../../scoring/reward-function.ts';
import { type TuningSettings, tuningDefaults } from '../loop/settings.ts';
import type { GroupBaseline } from './advantages.ts';

/** Settings of the stages that sample responses and learn from their rewards. */
export interface RolloutSettings extends TuningSettings {
  /** Reward model folder. */
  reward?: string | undefined;
  /** A reward function, or the file that exports one, instead of `reward`. */
  rewardFn?: string | RewardFunction | undefined;
  /** Iterations: rollouts in all, each followed by updates. `steps` are what they come to. */
  iterations: number;
  /** Responses of a rollout. */
  rolloutSize: number;
  /** Responses to each prompt. */
  numGenerations: number;
  /** Responses in a batch; an update takes `gradAccum` of them. */
  batchSize: number;
  /** Passes over each rollout. */
  epochs: number;
  /** Longest prompt in tokens; longer ones are left out. */
  maxPromptLength: number;
  /** New tokens of a response at most. */
  maxResponseLength: number;
  /** Of sampling, and of every log-probability. */
  temperature: number;
  /** Responses decoded at once. */
  decodeBatchSize: number;
  /** A response that never stopped gets a fixed score, loses a penalty, or neither. */
  missingEos: 'score' | 'penalty' | 'none';
  /** That score or penalty. */
  missingEosValue: number;
  /** Largest absolute score; 0 cuts none. */
  rewardClip: number;
  /** Weight of the KL divergence from the starting model. */
  klCoef: number;
  /** Weight of an entropy bonus. */
  entropyCoef: number;
  /** Lower bound of the policy ratio: 1 - clipLow. */
  clipLow: number;
  /** Upper bound of the policy ratio: 1 + clipHigh. */
  clipHigh: number;
  /**
   * Bound on what a token of negative advantage can cost, as a multiple of it (Ye et al., 2020).
   */
  dualClip?: number | undefined;
  /** Mean of squared log-ratios, halved, beyond which the rest of a rollout is dropped. */
  maxApproxKl?: number | undefined;
  /** Decay per rollout of averaged weights, which are then what is saved; 0 averages none. */
  emaDecay: number;
  /** Prompts of an evaluation, kept out of training. */
  evalPrompts: number;
  /** AdamW's epsilon. */
  adamEps: number;
  /** Epsilon after the bias correction (`torch`), or before it (`tensorflow`). */
  adamEpsPlacement: 'torch' | 'tensorflow';
}

/** Optimizer steps that the iterations come to. */
export function stepsOf(settings: RolloutSettings): number {
  const { iterations, rolloutSize, batchSize, gradAccum, epochs, steps } = settings;
  return steps ?? Math.max(1, Math.floor((iterations * epochs * rolloutSize) / (batchSize * gradAccum)));
}

export const rolloutDefaults = {
  ...tuningDefaults,
  schedule: 'linear',
  minLrRatio: 0,
  evalEvery: 0,
  iterations: 100,
  rolloutSize: 128,
  batchSize: 32,
  maxPromptLength: 128,
  maxResponseLength: 64,
  temperature: 1,
  decodeBatchSize: 64,
  missingEos: 'score',
  missingEosValue: -1,
  rewardClip: 0,
  entropyCoef: 0,
  clipLow: 0.2,
  clipHigh: 0.2,
  emaDecay: 0,
  evalPrompts: 64,
  adamEps: 1e-5,
  adamEpsPlacement: 'torch',
} as const satisfies Partial<RolloutSettings>;

export interface PpoSettings extends RolloutSettings {
  /**
   * What values start from: `reward` (the reward model; with LoRA on its very weights), `head` (a
   * head on the policy) or a model folder.
   */
  valueInit: string;
  /** Learning rate of the value model as a multiple of the policy's. */
  valueLrScale: number;
  /** Values count within this of their old ones; 0 leaves them free. */
  valueClip: number;
  /** Weight of the value loss. */
  valueCoef: number;
  /** Discount. */
  gamma: number;
  /** Lambda of generalised advantage estimation. */
  lambda: number;
  /** Estimator of the KL penalty per token. */
  klEstimator: 'k1' | 'k2' | 'k3';
  /** KL of a response, in nats, towards which `klCoef` is steered. */
  targetKl?: number | undefined;
  /** Responses over which `klCoef` adapts. */
  klHorizon: number;
  /** Scales rewards to unit variance. */
  whitenRewards: boolean;
  /** Token shards of pretraining text to learn from beside the rollouts (PPO-ptx). */
  ptxData?: string | undefined;
  /** Weight of its mean loss per token. */
  ptxCoef: number;
  /** Windows of text in a batch. */
  ptxBatchSize: number;
}

export const ppoDefaults = {
  ...rolloutDefaults,
  epochs: 4,
  numGenerations: 1,
  klCoef: 0.05,
  valueInit: 'reward',
  valueLrScale: 1,
  valueClip: 0.2,
  valueCoef: 0.1,
  gamma: 1,
  lambda: 0.95,
  klEstimator: 'k1',
  klHorizon: 10_000,
  whitenRewards: false,
  ptxCoef: 1,
  ptxBatchSize: 4,
} as const satisfies Partial<PpoSettings>;

export interface GrpoSettings extends RolloutSettings {
  /**
   * What a response is compared with: mean and deviation of its group, its mean, or the mean
   * of the others.
   */
  baseline: GroupBaseline;
}

export const grpoDefaults = {
  ...rolloutDefaults,
  epochs: 1,
  numGenerations: 8,
  klCoef: 0.04,
  baseline: 'grpo',
} as const satisfies Partial<GrpoSettings>;
