/**
 * Kahneman-Tversky optimisation (Ethayarajh et al., 2024): a policy learns from answers that are
 * good or bad, each on its own.
 */

import { columnSums } from '../../base/statistics.ts';
import { shareOut } from '../../comm/share-out.ts';
import type { Gpt } from '../../nn/gpt.ts';
import type { EncodedRating } from '../../scoring/encoded-ratings.ts';
import { responseLogProbs, responseOutput } from '../../scoring/response-log-probs.ts';
import {
  type ResponseSequence,
  responseInput,
  responseStarts,
  sumsByResponse,
} from '../../scoring/sequences.ts';
import { noGrad } from '../../tensor/autograd.ts';
import { ktoLoss } from '../../tensor/ops/preference.ts';
import { segmentSum } from '../../tensor/ops/segments.ts';
import { scope, tensor } from '../../tensor/tensor.ts';
import { RowStage, type RowStageOptions, type RowsLoss } from '../loop/row-stage.ts';
import type { Evaluation } from '../loop/stage.ts';
import type { TrainableModel } from '../loop/trainable-model.ts';
import type { KtoSettings } from './settings.ts';

/** A rated answer, with the reference's log-probabilities of it and of its mismatched pair. */
export interface RatedAnswer extends EncodedRating {
  reference: number;
  referenceMismatched: number;
}

export type KtoStageOptions = RowStageOptions<RatedAnswer> &
  Pick<KtoSettings, 'beta' | 'loss' | 'desirableWeight' | 'undesirableWeight'>;

/** The reference reads each answer and each mismatched pair once, before training begins. */
export function referenceRatings(reference: Gpt, ratings: readonly EncodedRating[]): RatedAnswer[] {
  const sums = (sequences: ResponseSequence[]) =>
    sumsByResponse(responseLogProbs(reference, sequences, 1), responseStarts(sequences));
  const [own, other] = [
    sums(ratings.map(({ answer }) => answer)),
    sums(ratings.map(({ mismatched }) => mismatched)),
  ];
  return ratings.map((rating, i) => ({
    ...rating,
    reference: own[i]!,
    referenceMismatched: other[i]!,
  }));
}

export type KtoBatch = RatedAnswer[];

/** Of one or more batches; their order is that of the figures of a batch. */
interface Totals {
  answers: number;
  correct: number;
  /** Rewards of good answers and of bad ones. */
  good: number;
  bad: number;
  goodCount: number;
  baseline: number;
  batches: number;
}

export class KtoStage extends RowStage<RatedAnswer, Gpt> {
  readonly #options: KtoStageOptions;

  constructor(policy: TrainableModel<Gpt>, options: KtoStageOptions) {
    super(policy, options, {
      name: 'ratings',
      tokensOf: ({ answer }) => answer.tokens.length,
      contentsOf: ({ answer, isGood }) => [answer.tokens, String(isGood)],
      lengthOf: (typical) => Math.round(typical),
    });
    this.#options = options;
  }

  /** The figures are the values of Totals. */
  protected rowsLoss(batch: readonly RatedAnswer[], scale: number): RowsLoss {
    const { beta, loss: kind, desirableWeight, undesirableWeight } = this.#options;
    const baseline = kind === 'kto' ? this.#divergence(batch) : 0;
    const answers = batch.map(({ answer }) => answer);
    const { logProbs } = responseOutput(this.model, responseInput(answers), 1);
    const sums = segmentSum(logProbs, tensor(responseStarts(answers)));
    const reference = tensor(batch.map((rating) => rating.reference));
    const weights = tensor(batch.map(({ isGood }) => (isGood ? desirableWeight : -undesirableWeight)));
    const { loss, rewards, correct } = ktoLoss(sums, reference, weights, { beta, baseline, scale });
    return { loss, figures: figuresOf(batch, rewards.toFloats(), correct, baseline) };
  }

  /**
   * The mean lead of the policy over its reference on mismatched pairs, at least 0: an estimate of
   * their divergence. It carries no gradient.
   */
  #divergence(batch: readonly RatedAnswer[]): number {
    const pairs = batch.map(({ mismatched }) => mismatched);
    const sums = sumsByResponse(responseLogProbs(this.model, pairs, 1), responseStarts(pairs));
    const leads = batch.reduce((sum, { referenceMismatched }, i) => sum + sums[i]! - referenceMismatched, 0);
    return Math.max(0, leads / batch.length);
  }

  protected metricsOf(figures: readonly number[]): Record<string, number> {
    const [answers = 0, correct = 0, good = 0, bad = 0, goodCount = 0, baseline = 0, batches = 0] = figures;
    return {
      accuracy: correct / Math.max(1, answers),
      kl: baseline / Math.max(1, batches),
      reward_good: good / Math.max(1, goodCount),
      reward_bad: bad / Math.max(1, answers - goodCount),
    };
  }

  /** Each batch has a baseline of its own, as in training. */
  protected async evaluateRows(): Promise<Evaluation> {
    const { validation } = this;
    const { batchSize } = this.#options;
    const starts = Array.from({ length: Math.ceil(validation.length / batchSize) }, (_, i) => i * batchSize);
    const rows = await shareOut(this.communicator, starts, (start) =>
      noGrad(() =>
        scope(() => {
          const { loss, figures } = this.rowsLoss(validation.slice(start, start + batchSize), 1);
          return [loss.item(), ...figures];
        }),
      ),
    );
    const [sum = 0, ...figures] = columnSums(rows);
    const loss = sum / validation.length;
    const named = Object.entries(this.metricsOf(figures)).map(([name, value]) => [`val_${name}`, value]);
    return { metrics: { val_loss: loss, ...Object.fromEntries(named) }, score: loss };
  }
}

function figuresOf(
  batch: readonly RatedAnswer[],
  rewards: Float32Array,
  correct: number,
  baseline: number,
): readonly number[] {
  let [good, bad, goodCount] = [0, 0, 0];
  batch.forEach(({ isGood }, i) => {
    if (isGood) good += rewards[i]!;
    else bad += rewards[i]!;
    goodCount += isGood ? 1 : 0;
  });
  const totals: Totals = { answers: batch.length, correct, good, bad, goodCount, baseline, batches: 1 };
  return Object.values(totals);
}
