/** The differences between PPO and GRPO: how advantages are estimated, and what the loss adds. */
import type { TensorData, TensorSource } from '../../checkpoint/tensor-data.ts';
import type { Gpt } from '../../nn/gpt.ts';
import type { ResponseInput } from '../../scoring/sequences.ts';
import type { Tensor } from '../../tensor/tensor.ts';
import type { ParameterGroup } from '../loop/stage.ts';
import type { Advantages } from './advantages.ts';
import type { RolloutBatch } from './rollout.ts';
import type { SampledResponses } from './sampled-responses.ts';

/** The estimates for a rollout; numbers per token are f32 `[m]`. */
export interface Estimate extends Advantages {
  /** The critic's values before any update; empty without a critic, as are the returns. */
  values: Float32Array;
  /** Logged with the rollout. */
  metrics: Record<string, number>;
  /** Duration in seconds. */
  seconds: number;
}

export interface ValueLoss {
  /** f32 `[1]`: scaled and weighted, so that it can be added to the policy's loss. */
  loss: Tensor;
  /** Scaled, but without the weight. */
  unweighted: number;
  /** Tokens whose value was clipped. */
  clipped: number;
}

/** Owns the models that it trains in addition to the policy: dispose() frees them. */
export interface AdvantageEstimator {
  /**
   * Number of whole models that each batch goes through: the policy, and possibly a value model.
   */
  readonly trainedModels: number;
  /**
   * All groups that train, the policy first. Names of groups become part of names in
   * checkpoints and metrics.
   * @param policy the policy's own parameters
   */
  parameterGroups(policy: ReadonlyMap<string, Tensor>): ParameterGroup[];
  /**
   * Advantages of a whole rollout, without gradients.
   * @param beta weight of the KL penalty, for an estimator that subtracts it from the rewards
   */
  estimate(sampled: SampledResponses, policy: Gpt, beta: number): Estimate;
  /**
   * The weight of the KL divergence in the policy's loss; 0 if the penalty is part of the rewards.
   */
  klWeightInLoss(beta: number): number;
  /**
   * The loss of the value model on a batch; undefined without one.
   * @param hidden `[m, channels]`: the policy's hidden states at the rows of `input`
   * @param scale factor on the sum over tokens
   */
  valueLoss(batch: RolloutBatch, input: ResponseInput, hidden: Tensor, scale: number): ValueLoss | undefined;
  /** What a checkpoint needs of the models that the estimator trains. */
  tensors(): [string, TensorSource][];
  restore(read: (name: string) => TensorData): void;
  dispose(): void;
}
