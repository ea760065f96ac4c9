/** What the batches of one step add up to; every mean is over response tokens, and there are no others. */
import type { PolicyLossResult } from '../../tensor/ops/policy.ts';

export interface BatchStatistics {
  tokens: number;
  /** Sum over tokens, nats. */
  entropy: number;
  /** Already scaled by the step's token count. */
  policyLoss: number;
  policy: PolicyLossResult['stats'];
  /** Where there is a critic: its loss, scaled the same way but not weighted, and the tokens clipped. */
  value: { loss: number; clipped: number } | undefined;
}

export class StepStatistics {
  #batches: BatchStatistics[] = [];
  #pretrainingLosses: number[] = [];

  add(batch: BatchStatistics): void {
    this.#batches.push(batch);
  }

  /** @param loss mean next-token loss of a batch of pretraining text */
  addPretraining(loss: number): void {
    this.#pretrainingLosses.push(loss);
  }

  /** Mean over tokens of half the squared log-ratio. */
  get approxKl(): number {
    return this.#mean(({ policy }) => policy.approxKl);
  }

  /** The largest |ratio - 1| of the step. */
  get ratioMaxDeviation(): number {
    return Math.max(0, ...this.#batches.map(({ policy }) => policy.ratioMaxDeviation));
  }

  /** The step's metrics; the next step begins. */
  take(): Record<string, number> {
    const sum = (of: (batch: BatchStatistics) => number) => this.#batches.reduce((all, b) => all + of(b), 0);
    const pretraining = this.#pretrainingLosses;
    const metrics = {
      policy_loss: sum(({ policyLoss }) => policyLoss),
      entropy: this.#mean(({ entropy }) => entropy),
      approx_kl: this.approxKl,
      clip_fraction: this.#mean(({ policy }) => policy.clipped),
      ratio_mean: this.#mean(({ policy }) => policy.ratioSum),
      ratio_min: Math.min(...this.#batches.map(({ policy }) => policy.ratioMin)),
      ratio_max: Math.max(...this.#batches.map(({ policy }) => policy.ratioMax)),
      ...(this.#batches.some(({ value }) => value) && {
        value_loss: sum(({ value }) => value!.loss),
        value_clip_fraction: this.#mean(({ value }) => value!.clipped),
      }),
      ...(pretraining.length > 0 && {
        ptx_loss: pretraining.reduce((all, loss) => all + loss, 0) / pretraining.length,
      }),
    };
    this.#batches = [];
    this.#pretrainingLosses = [];
    return metrics;
  }

  #mean(of: (batch: BatchStatistics) => number): number {
    const tokens = this.#batches.reduce((all, batch) => all + batch.tokens, 0);
    return this.#batches.reduce((all, batch) => all + of(batch), 0) / Math.max(1, tokens);
  }
}
