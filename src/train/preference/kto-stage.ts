/**
 * Kahneman-Tversky optimisation (Ethayarajh et al., 2024): a policy learns from answers that are
 * good or bad, each on its own.
 */

import type { JsonValue } from '../../base/json.ts';
import { columnSums } from '../../base/statistics.ts';
import type { TensorData } from '../../checkpoint/tensor-data.ts';
import type { Communicator } from '../../comm/communicator.ts';
import { selfCommunicator } from '../../comm/self-communicator.ts';
import { shareOut } from '../../comm/share-out.ts';
import { EpochBatches } from '../../data/rows/epoch-batches.ts';
import { rowDigest } from '../../data/rows/row-digest.ts';
import { flopsPerToken } from '../../nn/config.ts';
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
import { scope, type Tensor, tensor } from '../../tensor/tensor.ts';
import type { Evaluation, TrainStage } from '../loop/stage.ts';
import type { TrainableModel } from '../loop/trainable-model.ts';
import type { KtoSettings } from './settings.ts';

/** A rated answer, with the reference's log-probabilities of it and of its mismatched pair. */
export interface RatedAnswer extends EncodedRating {
  reference: number;
  referenceMismatched: number;
}

export interface KtoStageOptions
  extends Pick<
    KtoSettings,
    'beta' | 'loss' | 'desirableWeight' | 'undesirableWeight' | 'batchSize' | 'seed'
  > {
  train: readonly RatedAnswer[];
  validation: readonly RatedAnswer[];
  /** Batches per update (default 1). */
  gradAccum?: number | undefined;
  /** The ranks that share evaluations. Default: only this process. */
  communicator?: Communicator;
}

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

const noFigures: readonly number[] = [0, 0, 0, 0, 0, 0, 0];

export class KtoStage implements TrainStage<RatedAnswer[]> {
  readonly parameters: ReadonlyMap<string, Tensor>;
  readonly tokensPerBatch: number;
  readonly flopsPerToken: number;
  readonly prefetch = true;
  readonly evaluate?: () => Promise<Evaluation>;
  readonly #policy: TrainableModel<Gpt>;
  readonly #options: KtoStageOptions;
  readonly #batches: EpochBatches;
  /** Figures of the last batch, and their sums over the last update. */
  #ofBatch = noFigures;
  #ofUpdate = noFigures;

  constructor(policy: TrainableModel<Gpt>, options: KtoStageOptions) {
    this.#policy = policy;
    this.#options = options;
    const digest = () =>
      rowDigest(options.train.flatMap(({ answer, isGood }) => [answer.tokens, String(isGood)]));
    this.#batches = new EpochBatches(options.train.length, { ...options, digest });
    this.parameters = policy.trainable;
    const tokens = options.train.reduce((sum, { answer }) => sum + answer.tokens.length, 0);
    const typical = tokens / options.train.length;
    const { batchSize, train } = options;
    this.tokensPerBatch = Math.max(1, Math.round(Math.min(batchSize, train.length) * typical));
    this.flopsPerToken = flopsPerToken(policy.model.config, Math.round(typical));
    if (options.validation.length > 0) this.evaluate = () => this.#evaluate();
  }

  /** Updates that read every answer once. */
  get stepsPerPass(): number {
    return this.#batches.updatesPerEpoch;
  }

  passesDone(): number {
    return this.#batches.epochsDone;
  }

  nextBatch(): RatedAnswer[] {
    return this.#batches.next().map((index) => this.#options.train[index]!);
  }

  skipBatch(): void {
    this.#batches.skip();
  }

  batchTokens(batch: RatedAnswer[]): number {
    return batch.reduce((sum, { answer }) => sum + answer.tokens.length, 0);
  }

  lossTokens(batch: RatedAnswer[]): number {
    return batch.length;
  }

  loss(batch: RatedAnswer[], scale: number): Tensor {
    // A batch without rows adds zeros to the gradients.
    this.#ofBatch = noFigures;
    if (batch.length === 0) return this.#answerLoss(this.#options.train.slice(0, 1), 0).loss;
    const { loss, figures } = this.#answerLoss(batch, scale);
    this.#ofBatch = figures;
    return loss;
  }

  batchFigures(): readonly number[] {
    return this.#ofBatch;
  }

  observe(figures: readonly (readonly number[])[]): void {
    this.#ofUpdate = columnSums(figures);
  }

  #answerLoss(batch: readonly RatedAnswer[], scale: number) {
    const { beta, loss: kind, desirableWeight, undesirableWeight } = this.#options;
    const { model } = this.#policy;
    const baseline = kind === 'kto' ? this.#divergence(batch) : 0;
    const answers = batch.map(({ answer }) => answer);
    const { logProbs } = responseOutput(model, responseInput(answers), 1);
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
    const sums = sumsByResponse(responseLogProbs(this.#policy.model, pairs, 1), responseStarts(pairs));
    const leads = batch.reduce((sum, { referenceMismatched }, i) => sum + sums[i]! - referenceMismatched, 0);
    return Math.max(0, leads / batch.length);
  }

  stepMetrics(): Record<string, number> {
    return metricsOf(this.#ofUpdate);
  }

  /** Each batch has a baseline of its own, as in training. */
  async #evaluate(): Promise<Evaluation> {
    const { validation, batchSize, communicator = selfCommunicator } = this.#options;
    const starts = Array.from({ length: Math.ceil(validation.length / batchSize) }, (_, i) => i * batchSize);
    const rows = await shareOut(communicator, starts, (start) =>
      noGrad(() =>
        scope(() => {
          const { loss, figures } = this.#answerLoss(validation.slice(start, start + batchSize), 1);
          return [loss.item(), ...figures];
        }),
      ),
    );
    const [sum = 0, ...figures] = columnSums(rows);
    const loss = sum / validation.length;
    const named = Object.entries(metricsOf(figures)).map(([name, value]) => [`val_${name}`, value]);
    return { metrics: { val_loss: loss, ...Object.fromEntries(named) }, score: loss };
  }

  state(): JsonValue {
    return { ratings: this.#batches.state() };
  }

  tensors() {
    return this.#policy.tensors();
  }

  restore(state: JsonValue, tensors: (name: string) => TensorData): void {
    this.#batches.restore((state as { ratings: JsonValue }).ratings);
    this.#policy.restore(tensors);
  }

  writeModel(folder: string) {
    return this.#policy.write(folder);
  }

  dispose(): void {
    this.#policy.dispose();
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

function metricsOf(figures: readonly number[]): Record<string, number> {
  const [answers = 0, correct = 0, good = 0, bad = 0, goodCount = 0, baseline = 0, batches = 0] = figures;
  return {
    accuracy: correct / Math.max(1, answers),
    kl: baseline / Math.max(1, batches),
    reward_good: good / Math.max(1, goodCount),
    reward_bad: bad / Math.max(1, answers - goodCount),
  };
}
