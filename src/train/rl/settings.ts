/** The settings of PPO and GRPO, with their defaults. */
import type { Quantization } from '../../nn/quantized-weights.ts';
import type { RewardFunction } from '../../scoring/reward-calls.ts';
import { type TuningSettings, tuningDefaults } from '../loop/settings.ts';
import type { GroupBaseline } from './advantages.ts';
import type { LossAggregation } from './loss-aggregation.ts';
import type { ImportanceSamplingLevel } from './policy-loss.ts';

/** Largest `missingEosValue`: sums and squares of scores must stay numbers of 32 bits. */
export const LARGEST_SCORE = 1e9;

/** Settings of the stages that sample responses and learn from their rewards. */
export interface RolloutSettings extends TuningSettings {
  /** Folder of the reward model. */
  reward?: string | undefined;
  /** A reward function, or a file that exports one; replaces `reward`. */
  rewardFn?: string | RewardFunction | undefined;
  /** Seconds in which a reward function must score one answer. */
  rewardTimeout: number;
  /** Number of iterations; each is one rollout with its updates. `steps` may be given instead. */
  iterations: number;
  /** Responses per rollout. */
  rolloutSize: number;
  /** Responses per prompt. */
  numGenerations: number;
  /** Responses per batch; an update takes `gradAccum` batches. */
  batchSize: number;
  /** Passes over each rollout. */
  epochs: number;
  /** Longest prompt in tokens; longer prompts are left out. */
  maxPromptLength: number;
  /** Largest number of new tokens per response. */
  maxResponseLength: number;
  /** Temperature of sampling and of every log-probability. */
  temperature: number;
  /** Responses to decode at the same time. */
  decodeBatchSize: number;
  /**
   * Weights that draw the responses of rollouts: the policy's, or int8 copies of them. The policy
   * computes the log-probabilities of the drawn tokens in both cases. Evaluations use its weights.
   */
  rolloutQuantize: Quantization;
  /** Rule for responses without an end token: a fixed score, a penalty on the score, or none. */
  missingEos: 'score' | 'penalty' | 'none';
  /** The fixed score or the penalty of `missingEos`. */
  missingEosValue: number;
  /** Largest absolute score; larger scores are clipped. 0: no limit. */
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
   * Largest loss of a token with a negative advantage, in multiples of the advantage (Ye
   * et al., 2020).
   */
  dualClip?: number | undefined;
  /** The rest of a rollout is dropped once half the mean squared log-ratio is above this. */
  maxApproxKl?: number | undefined;
  /** Decay per rollout of an average of the weights; the average is saved. 0: no average. */
  emaDecay: number;
  /** Prompts held out for evaluation. */
  evalPrompts: number;
  /** AdamW's epsilon. */
  adamEps: number;
  /** Add epsilon after the bias correction (`torch`) or before it (`tensorflow`). */
  adamEpsPlacement: 'torch' | 'tensorflow';
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
  rolloutQuantize: 'none',
  missingEos: 'score',
  missingEosValue: -1,
  rewardTimeout: 60,
  rewardClip: 0,
  entropyCoef: 0,
  clipLow: 0.2,
  clipHigh: 0.2,
  emaDecay: 0,
  evalPrompts: 64,
  adamEps: 1e-5,
  adamEpsPlacement: 'torch',
} as const satisfies Partial<RolloutSettings>;

/** The settings of PPO. */
export interface PpoSettings extends RolloutSettings {
  /**
   * Start of the value model: `reward` (a copy of the reward model; with LoRA, adapters on the same
   * weights), `head` (a head on the policy) or a model folder.
   */
  valueInit: string;
  /** Learning rate of the value model as a multiple of the policy's. */
  valueLrScale: number;
  /** Largest distance of a value from the old value in the loss; 0: no limit. */
  valueClip: number;
  /** Weight of the value loss. */
  valueCoef: number;
  /** Discount per token. */
  gamma: number;
  /** Lambda of generalised advantage estimation. */
  lambda: number;
  /** Estimator of the KL penalty per token. */
  klEstimator: 'k1' | 'k2' | 'k3';
  /** Target KL per response, in nats; `klCoef` is adapted to reach it. */
  targetKl?: number | undefined;
  /** Responses over which `klCoef` adapts. */
  klHorizon: number;
  /** Scale rewards to unit variance. */
  whitenRewards: boolean;
  /** Folder of token shards with pretraining text to mix into the updates (PPO-ptx). */
  ptxData?: string | undefined;
  /** Weight of the mean loss per token of the pretraining text. */
  ptxCoef: number;
  /** Windows of pretraining text per batch. */
  ptxBatchSize: number;
}

/** The defaults of PpoSettings. */
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

/** The settings of GRPO. */
export interface GrpoSettings extends RolloutSettings {
  /**
   * Baseline of a response: mean and deviation of its group (grpo), mean of its group (dr-grpo), or
   * mean of the others (rloo).
   */
  baseline: GroupBaseline;
  /**
   * How token losses are averaged: over all tokens of the update (dapo), within each response first
   * (grpo), as if all responses had `maxResponseLength` tokens (dr-grpo), or within each batch
   * first (bnpo).
   */
  loss: LossAggregation;
  /** One ratio per token, or one per response (GSPO). */
  importanceSamplingLevel: ImportanceSamplingLevel;
}

/** The defaults of GrpoSettings. */
export const grpoDefaults = {
  ...rolloutDefaults,
  epochs: 1,
  numGenerations: 8,
  klCoef: 0.04,
  baseline: 'grpo',
  loss: 'dapo',
  importanceSamplingLevel: 'token',
} as const satisfies Partial<GrpoSettings>;
