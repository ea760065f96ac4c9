/**
 * The advantages of GRPO, Dr. GRPO and RLOO: each score relative to those of the other responses to
 * the same prompt. There is no value model, and the KL penalty (k3) is part of the loss.
 */
import type { TensorSource } from '../../checkpoint/tensor-data.ts';
import type { Tensor } from '../../tensor/tensor.ts';
import type { ParameterGroup } from '../loop/stage.ts';
import type { AdvantageEstimator, Estimate } from './advantage-estimator.ts';
import { type GroupBaseline, groupAdvantages } from './advantages.ts';
import type { SampledResponses } from './sampled-responses.ts';

export class GroupEstimator implements AdvantageEstimator {
  readonly trainedModels = 1;
  readonly #baseline: GroupBaseline;
  readonly #responsesPerPrompt: number;

  constructor(options: { baseline: GroupBaseline; responsesPerPrompt: number }) {
    this.#baseline = options.baseline;
    this.#responsesPerPrompt = options.responsesPerPrompt;
  }

  parameterGroups(policy: ReadonlyMap<string, Tensor>): ParameterGroup[] {
    return [{ name: '', parameters: policy }];
  }

  estimate({ scores, starts }: SampledResponses): Estimate {
    const startedAt = performance.now();
    const advantages = groupAdvantages(scores, starts, this.#responsesPerPrompt, this.#baseline);
    const [values, returns] = [new Float32Array(0), new Float32Array(0)];
    return { advantages, returns, values, metrics: {}, seconds: (performance.now() - startedAt) / 1000 };
  }

  klWeightInLoss(beta: number): number {
    return beta;
  }

  valueLoss(): undefined {
    return undefined;
  }

  tensors(): [string, TensorSource][] {
    return [];
  }

  restore(): void {}

  dispose(): void {}
}
