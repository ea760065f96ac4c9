/** Sums over the batches of one step. Every mean is over response tokens, without padding. */
import { native } from '../../native/addon.ts';
import type { ResponseOutput } from '../../scoring/response-log-probs.ts';
import type { PolicyLossResult } from '../../tensor/ops/policy.ts';
import type { ValueLoss } from './advantage-estimator.ts';

interface BatchStatistics {
  /** Number of response tokens. */
  tokens: number;
  /** Sum over tokens, in nats. */
  entropy: number;
  /** Already divided by the number of tokens of the step. */
  policyLoss: number;
  policy: PolicyLossResult['stats'];
  /**
   * With a critic: its unweighted loss, divided in the same way, and the number of clipped tokens.
   */
  value: { loss: number; clipped: number } | undefined;
}

export class StepStatistics {
  #batches: BatchStatistics[] = [];
  #pretrainingLosses: number[] = [];

  /** Adds one batch, whose losses are scaled. @param value undefined without a critic */
  add({ logProbs, entropies }: ResponseOutput, policy: PolicyLossResult, value: ValueLoss | undefined): void {
    this.#batches.push({
      tokens: logProbs.size,
      entropy: native.sum(entropies.handle),
      policyLoss: policy.loss.item(),
      policy: policy.stats,
      value: value && { loss: value.unweighted, clipped: value.clipped },
    });
  }

  /** @param loss mean next-token loss of a batch of pretraining text, in nats */
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

  /** Returns the step's metrics and begins the next step. */
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
