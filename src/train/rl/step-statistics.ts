/**
 * Sums over the batches of one step, those of other ranks included. Every mean is over response
 * tokens, without padding.
 */
import { native } from '../../native/addon.ts';
import type { ResponseOutput } from '../../scoring/response-log-probs.ts';
import type { PolicyLossResult } from '../../tensor/ops/policy.ts';
import type { ValueLoss } from './advantage-estimator.ts';

/** What each batch tells, in this order. Those without a critic or text tell zeros of them. */
const names = [
  /** Number of response tokens. */
  'tokens',
  /** Sum over tokens, in nats. */
  'entropy',
  /** Already divided by the number of tokens of the step. */
  'policyLoss',
  ...(['approxKl', 'clipped', 'ratioSum', 'ratioMin', 'ratioMax', 'ratioMaxDeviation'] as const),
  /** 1 with a critic. Then its unweighted loss, divided in the same way, and its clipped tokens. */
  'hasValue',
  'valueLoss',
  'valueClipped',
  /** 1 with pretraining text. Then its mean next-token loss, in nats. */
  'hasText',
  'textLoss',
] as const;

type BatchStatistics = Record<(typeof names)[number], number>;

/** The losses of a batch. */
export interface BatchLosses {
  policy: PolicyLossResult;
  /** Undefined without a critic. */
  value: ValueLoss | undefined;
}

export class StepStatistics {
  #last: BatchStatistics | undefined;
  #batches: BatchStatistics[] = [];

  /**
   * Takes one batch, whose losses are scaled.
   * @param text mean next-token loss of pretraining text, in nats; undefined without text
   */
  add({ logProbs, entropies }: ResponseOutput, { policy, value }: BatchLosses, text?: number): void {
    const { approxKl, clipped, ratioSum, ratioMin, ratioMax, ratioMaxDeviation } = policy.stats;
    this.#last = {
      tokens: logProbs.size,
      entropy: native.sum(entropies.handle),
      policyLoss: policy.loss.item(),
      ...{ approxKl, clipped, ratioSum, ratioMin, ratioMax, ratioMaxDeviation },
      hasValue: value ? 1 : 0,
      valueLoss: value?.unweighted ?? 0,
      valueClipped: value?.clipped ?? 0,
      hasText: text === undefined ? 0 : 1,
      textLoss: text ?? 0,
    };
  }

  /** The figures of the batch that came last. */
  get figures(): number[] {
    return names.map((name) => this.#last![name]);
  }

  /** Takes the figures of all batches of a step. */
  observe(figures: readonly (readonly number[])[]): void {
    this.#batches = figures.map((row) => {
      return Object.fromEntries(names.map((name, i) => [name, row[i]!])) as BatchStatistics;
    });
  }

  /** Mean over tokens of half the squared log-ratio. */
  get approxKl(): number {
    return this.#mean('approxKl');
  }

  /** The largest |ratio - 1| of the step. */
  get ratioMaxDeviation(): number {
    return Math.max(0, ...this.#batches.map(({ ratioMaxDeviation }) => ratioMaxDeviation));
  }

  /** The metrics of the step. */
  metrics(): Record<string, number> {
    const texts = this.#batches.filter(({ hasText }) => hasText > 0);
    return {
      policy_loss: this.#sum('policyLoss'),
      entropy: this.#mean('entropy'),
      approx_kl: this.approxKl,
      clip_fraction: this.#mean('clipped'),
      ratio_mean: this.#mean('ratioSum'),
      ratio_min: Math.min(...this.#batches.map(({ ratioMin }) => ratioMin)),
      ratio_max: Math.max(...this.#batches.map(({ ratioMax }) => ratioMax)),
      ...(this.#batches.some(({ hasValue }) => hasValue > 0) && {
        value_loss: this.#sum('valueLoss'),
        value_clip_fraction: this.#mean('valueClipped'),
      }),
      ...(texts.length > 0 && { ptx_loss: this.#sum('textLoss') / texts.length }),
    };
  }

  #sum(name: keyof BatchStatistics): number {
    return this.#batches.reduce((all, batch) => all + batch[name], 0);
  }

  #mean(name: keyof BatchStatistics): number {
    return this.#sum(name) / Math.max(1, this.#sum('tokens'));
  }
}
