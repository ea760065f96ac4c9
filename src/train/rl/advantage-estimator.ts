/** What distinguishes PPO from GRPO: where advantages come from, and what that adds to the loss. */
import type { TensorData, TensorSource } from '../../checkpoint/tensor-data.ts';
import type { Gpt } from '../../nn/gpt.ts';
import type { ResponseInput } from '../../scoring/sequences.ts';
import type { Tensor } from '../../tensor/tensor.ts';
import type { ParameterGroup } from '../loop/stage.ts';
import type { Advantages } from './advantages.ts';
import type { RolloutBatch } from './rollout.ts';
import type { SampledResponses } from './sampled-responses.ts';

/** What an estimator says of a rollout; numbers per token are f32 `[m]`. */
export interface Estimate extends Advantages {
  /** The critic's values before any update; empty without a critic, as are the returns. */
  values: Float32Array;
  /** Logged with the rollout. */
  metrics: Record<string, number>;
  /** Time that it took. */
  seconds: number;
}

export interface ValueLoss {
  /** f32 `[1]`: scaled and weighted, to be added to the policy's loss. */
  loss: Tensor;
  /** Scaled, but without the weight. */
  unweighted: number;
  /** Tokens whose value was clipped. */
  clipped: number;
}

/** Owns the models that it trains beside the policy, if there are any: dispose() frees them. */
export interface AdvantageEstimator {
  /** Whole models that each batch goes through: the policy, and a value model of its own. */
  readonly trainedModels: number;
  /**
   * Everything that trains, the policy first. Names of groups become part of names in
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
   * The weight that the KL has inside the policy's loss; 0 if the penalty is in
   * the rewards already.
   */
  klWeightInLoss(beta: number): number;
  /**
   * The loss of the value model on a batch; undefined without one.
   * @param hidden `[m, channels]`: the policy's hidden states at the rows of `input`
   * @param scale factor on the sum over tokens
   */
  valueLoss(batch: RolloutBatch, input: ResponseInput, hidden: Tensor, scale: number): ValueLoss | undefined;
  /** What a checkpoint needs of the models that it trains. */
  tensors(): [string, TensorSource][];
  restore(read: (name: string) => TensorData): void;
  dispose(): void;
}
