/**
 * Direct preference optimisation (Rafailov et al., 2023): a policy learns from comparisons, without
 * a reward model.
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
import type { EncodedComparison } from '../../scoring/encoded-comparisons.ts';
import { responseLogProbs, responseOutput } from '../../scoring/response-log-probs.ts';
import {
  byTokens,
  type ResponseSequence,
  responseInput,
  responseLength,
  responseStarts,
  SCORING_TOKENS,
  sumsByResponse,
} from '../../scoring/sequences.ts';
import { noGrad } from '../../tensor/autograd.ts';
import { type DpoKind, type DpoLossOptions, dpoLoss } from '../../tensor/ops/preference.ts';
import { segmentSum } from '../../tensor/ops/segments.ts';
import { scope, type Tensor, tensor } from '../../tensor/tensor.ts';
import type { Evaluation, TrainStage } from '../loop/stage.ts';
import type { TrainableModel } from '../loop/trainable-model.ts';

/** A pair of answers, with the reference's log-probabilities of both. */
export interface PreferencePair {
  chosen: ResponseSequence;
  rejected: ResponseSequence;
  referenceChosen: number;
  referenceRejected: number;
}

export interface DpoStageOptions {
  train: readonly PreferencePair[];
  validation: readonly PreferencePair[];
  /** Pairs per batch, and batches per update (default 1). */
  batchSize: number;
  gradAccum?: number | undefined;
  beta: number;
  kind: DpoKind;
  labelSmoothing: number;
  seed: number;
  /** The ranks that share evaluations. Default: only this process. */
  communicator?: Communicator;
}

/** All pairs of the comparisons. The reference reads each answer once, before training begins. */
export function referencePairs(reference: Gpt, comparisons: readonly EncodedComparison[]): PreferencePair[] {
  const answers = comparisons.flatMap((comparison) => comparison.answers);
  const sums = sumsByResponse(responseLogProbs(reference, answers, 1), responseStarts(answers));
  let first = 0;
  return comparisons.flatMap(({ answers: own, pairs }) => {
    const at = first;
    first += own.length;
    return pairs.map(([better, worse]) => ({
      chosen: own[better]!,
      rejected: own[worse]!,
      referenceChosen: sums[at + better]!,
      referenceRejected: sums[at + worse]!,
    }));
  });
}

export type DpoBatch = PreferencePair[];

export class DpoStage implements TrainStage<PreferencePair[]> {
  readonly parameters: ReadonlyMap<string, Tensor>;
  readonly tokensPerBatch: number;
  readonly flopsPerToken: number;
  readonly prefetch = true;
  readonly evaluate?: () => Promise<Evaluation>;
  readonly #policy: TrainableModel<Gpt>;
  readonly #options: DpoStageOptions;
  readonly #batches: EpochBatches;
  /** Pairs, correct pairs and the sum of margins: of the last batch, and of the last update. */
  #ofBatch: readonly number[] = [0, 0, 0];
  #ofUpdate: readonly number[] = [0, 0, 0];

  constructor(policy: TrainableModel<Gpt>, options: DpoStageOptions) {
    this.#policy = policy;
    this.#options = options;
    this.#batches = new EpochBatches(options.train.length, {
      ...options,
      digest: () => rowDigest(options.train.flatMap((pair) => [pair.chosen.tokens, pair.rejected.tokens])),
    });
    this.parameters = policy.trainable;
    const tokens = options.train.reduce((sum, pair) => sum + tokensOf(pair), 0);
    const typical = tokens / options.train.length;
    this.tokensPerBatch = Math.max(
      1,
      Math.round(Math.min(options.batchSize, options.train.length) * typical),
    );
    this.flopsPerToken = flopsPerToken(policy.model.config, Math.round(typical / 2));
    if (options.validation.length > 0) this.evaluate = () => this.#evaluate();
  }

  /** Updates that read every pair once. */
  get stepsPerPass(): number {
    return this.#batches.updatesPerEpoch;
  }

  passesDone(): number {
    return this.#batches.epochsDone;
  }

  nextBatch(): PreferencePair[] {
    return this.#batches.next().map((index) => this.#options.train[index]!);
  }

  skipBatch(): void {
    this.#batches.skip();
  }

  batchTokens(batch: PreferencePair[]): number {
    return batch.reduce((sum, pair) => sum + tokensOf(pair), 0);
  }

  lossTokens(batch: PreferencePair[]): number {
    return batch.length;
  }

  loss(batch: PreferencePair[], scale: number): Tensor {
    // A batch without rows adds zeros to the gradients.
    this.#ofBatch = [0, 0, 0];
    if (batch.length === 0) return this.#pairLoss(this.#options.train.slice(0, 1), 0).loss;
    const { loss, correct, margin } = this.#pairLoss(batch, scale);
    this.#ofBatch = [batch.length, correct, margin];
    return loss;
  }

  batchFigures(): readonly number[] {
    return this.#ofBatch;
  }

  observe(figures: readonly (readonly number[])[]): void {
    this.#ofUpdate = columnSums(figures);
  }

  #pairLoss(batch: readonly PreferencePair[], scale: number) {
    const { beta, kind, labelSmoothing } = this.#options;
    const options: DpoLossOptions = { beta, kind, labelSmoothing, scale };
    const answers = [...batch.map(({ chosen }) => chosen), ...batch.map(({ rejected }) => rejected)];
    const { logProbs } = responseOutput(this.#policy.model, responseInput(answers), 1);
    const sums = segmentSum(logProbs, tensor(responseStarts(answers)));
    const reference = tensor([
      ...batch.map(({ referenceChosen }) => referenceChosen),
      ...batch.map(({ referenceRejected }) => referenceRejected),
    ]);
    const { loss, rewards, correct } = dpoLoss(sums, reference, options);
    const values = rewards.toFloats();
    let margin = 0;
    for (let i = 0; i < batch.length; ++i) margin += values[i]! - values[batch.length + i]!;
    return { loss, correct, margin };
  }

  stepMetrics(): Record<string, number> {
    const [pairs, correct, margin] = this.#ofUpdate as [number, number, number];
    const count = Math.max(1, pairs);
    return { accuracy: correct / count, margin: margin / count };
  }

  async #evaluate(): Promise<Evaluation> {
    const { validation, communicator = selfCommunicator } = this.#options;
    const groups = byTokens(validation, tokensOf, SCORING_TOKENS);
    const rows = await shareOut(communicator, groups, (group) =>
      noGrad(() =>
        scope(() => {
          const { loss, correct, margin } = this.#pairLoss(group, 1);
          return [loss.item(), correct, margin];
        }),
      ),
    );
    const [loss, correct, margin] = columnSums(rows) as [number, number, number];
    const count = validation.length;
    const metrics = {
      val_loss: loss / count,
      val_accuracy: correct / count,
      val_margin: margin / count,
    };
    return { metrics, score: metrics.val_loss };
  }

  state(): JsonValue {
    return { pairs: this.#batches.state() };
  }

  tensors() {
    return this.#policy.tensors();
  }

  restore(state: JsonValue, tensors: (name: string) => TensorData): void {
    this.#batches.restore((state as { pairs: JsonValue }).pairs);
    this.#policy.restore(tensors);
  }

  writeModel(folder: string) {
    return this.#policy.write(folder);
  }

  dispose(): void {
    this.#policy.dispose();
  }
}

function tokensOf({ chosen, rejected }: PreferencePair): number {
  return [chosen, rejected].reduce((sum, answer) => sum + answer.promptLength + responseLength(answer), 0);
}
