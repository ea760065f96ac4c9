/** The models of a run of reinforcement learning, and who frees them. */
import type { Gpt } from '../../nn/gpt.ts';
import type { RewardSource } from '../../scoring/reward-source.ts';
import type { TrainableModel } from '../loop/trainable-model.ts';

/**
 * Owns policy, reference and reward source: dispose() frees them, and nothing else may. Sampler and
 * Scorer only use them. A value model belongs to the advantage estimator that trains it.
 * PolicyStage owns both objects.
 */
export class RolloutModels {
  readonly policy: TrainableModel<Gpt>;
  /** The frozen start of the policy; undefined if that is the policy without its adapters. */
  readonly reference: Gpt | undefined;
  readonly reward: RewardSource;

  constructor(models: { policy: TrainableModel<Gpt>; reference: Gpt | undefined; reward: RewardSource }) {
    this.policy = models.policy;
    this.reference = models.reference;
    this.reward = models.reward;
  }

  /** Runs body with the frozen reference. */
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
