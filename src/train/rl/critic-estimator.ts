/**
 * PPO's advantages: rewards that include the KL penalty, relative to the values of a critic that
 * trains together with the policy.
 */
import type { TensorData, TensorSource } from '../../checkpoint/tensor-data.ts';
import type { Gpt } from '../../nn/gpt.ts';
import { mapResponseTokens, responseHidden } from '../../scoring/response-log-probs.ts';
import type { ResponseInput } from '../../scoring/sequences.ts';
import { valueLoss } from '../../tensor/ops/policy.ts';
import type { Tensor } from '../../tensor/tensor.ts';
import type { ParameterGroup } from '../loop/stage.ts';
import type { AdvantageEstimator, Estimate, ValueLoss } from './advantage-estimator.ts';
import { type GaeOptions, gaeAdvantages, relativeScores } from './advantages.ts';
import type { Critic } from './critic.ts';
import { explainedVariance, tokenRewards } from './rewards.ts';
import type { RolloutBatch } from './rollout.ts';
import type { KlEstimator, SampledResponses } from './sampled-responses.ts';

export interface CriticOptions extends GaeOptions {
  /** Above 1, scores are taken relative to the other responses to the same prompt. */
  responsesPerPrompt: number;
  klEstimator: KlEstimator;
  /** Largest distance of a value from the value at the time of the rollout; 0: no limit. */
  valueClip: number;
  /** Weight of the value loss. */
  valueCoef: number;
}

/** Owns the critic. */
export class CriticEstimator implements AdvantageEstimator {
  readonly #critic: Critic;
  readonly #options: CriticOptions;

  /** With relative scores, sets the critic's values to 0, which is the mean of such scores. */
  constructor(critic: Critic, options: CriticOptions) {
    this.#critic = critic;
    this.#options = options;
    if (options.responsesPerPrompt > 1) critic.startAtZero();
  }

  get trainedModels(): number {
    return this.#critic.sharesTrunk ? 1 : 2;
  }

  parameterGroups(policy: ReadonlyMap<string, Tensor>): ParameterGroup[] {
    return [{ name: 'policy', parameters: policy }, this.#critic.group];
  }

  estimate(sampled: SampledResponses, policy: Gpt, beta: number): Estimate {
    const startedAt = performance.now();
    const { starts } = sampled;
    const values = this.#valuesOf(sampled, policy);
    const kl = sampled.tokenKl(this.#options.klEstimator);
    const rewards = tokenRewards(this.#scoresOf(sampled), kl, starts, beta);
    const { advantages, returns } = gaeAdvantages(rewards, values, starts, this.#options);
    const explained = explainedVariance(values, returns);
    const metrics: Record<string, number> =
      explained === undefined ? {} : { value_explained_variance: explained };
    return { advantages, returns, values, metrics, seconds: (performance.now() - startedAt) / 1000 };
  }

  #valuesOf({ sequences }: SampledResponses, policy: Gpt): Float32Array {
    const { sharesTrunk } = this.#critic;
    return mapResponseTokens(sequences, (batch) =>
      this.#critic.values(batch, sharesTrunk ? responseHidden(policy, batch) : undefined),
    );
  }

  #scoresOf({ scores }: SampledResponses): Float32Array {
    const { responsesPerPrompt } = this.#options;
    return responsesPerPrompt > 1 ? relativeScores(scores, responsesPerPrompt, 'rloo') : scores;
  }

  klWeightInLoss(): number {
    return 0;
  }

  valueLoss(batch: RolloutBatch, input: ResponseInput, hidden: Tensor, scale: number): ValueLoss {
    const { valueClip, valueCoef } = this.#options;
    const { loss, clipped } = valueLoss(
      this.#critic.values(input, hidden),
      { oldValues: batch.tensor('values'), returns: batch.tensor('returns') },
      { clip: valueClip, scale: scale * valueCoef },
    );
    return { loss, unweighted: loss.item() / valueCoef, clipped };
  }

  tensors(): [string, TensorSource][] {
    return this.#critic.tensors();
  }

  restore(read: (name: string) => TensorData): void {
    this.#critic.restore(read);
  }

  dispose(): void {
    this.#critic.dispose();
  }
}
