/** What the batches of one step add up to; every mean is over response tokens, and there are no others. */
export interface BatchStatistics {
  tokens: number;
  /** Sum over tokens, nats. */
  entropy: number;
  /** Already scaled by the step's token count. */
  policyLoss: number;
  valueLoss: number;
  valueClipped: number;
  policy: {
    clipped: number;
    approxKl: number;
    ratioMaxDeviation: number;
    ratioSum: number;
    ratioMin: number;
    ratioMax: number;
  };
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
      value_loss: sum(({ valueLoss }) => valueLoss),
      entropy: this.#mean(({ entropy }) => entropy),
      approx_kl: this.approxKl,
      clip_fraction: this.#mean(({ policy }) => policy.clipped),
      value_clip_fraction: this.#mean(({ valueClipped }) => valueClipped),
      ratio_mean: this.#mean(({ policy }) => policy.ratioSum),
      ratio_min: Math.min(...this.#batches.map(({ policy }) => policy.ratioMin)),
      ratio_max: Math.max(...this.#batches.map(({ policy }) => policy.ratioMax)),
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
