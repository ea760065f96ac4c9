/** The models of a reinforcement learning run, and their ownership. */
import type { Gpt } from '../../nn/gpt.ts';
import type { RewardSource } from '../../scoring/reward-source.ts';
import type { TrainableModel } from '../loop/trainable-model.ts';

/**
 * Owns policy, reference and reward source. Only dispose() frees them; Sampler and Scorer use
 * them. A value model belongs to the advantage estimator that trains it. PolicyStage owns this
 * object and the estimator.
 */
export class RolloutModels {
  readonly policy: TrainableModel<Gpt>;
  /** The frozen starting model; undefined when that is the policy without its adapters. */
  readonly reference: Gpt | undefined;
  readonly reward: RewardSource;

  constructor(models: { policy: TrainableModel<Gpt>; reference: Gpt | undefined; reward: RewardSource }) {
    this.policy = models.policy;
    this.reference = models.reference;
    this.reward = models.reward;
  }

  /** Runs body with the reference. */
  withReference<T>(body: (reference: Gpt) => T): T {
    const { policy, reference } = this;
    return reference ? body(reference) : policy.withoutAdapters(() => body(policy.model));
  }

  dispose(): void {
    this.reward.dispose();
    this.reference?.dispose();
    this.policy.dispose();
  }
}
