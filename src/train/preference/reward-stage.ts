/**
 * The reward model stage: one score at the end of each answer, trained so that better answers score
 * higher. A batch holds whole comparisons: the model reads each completion once, and the scores
 * give all pairs (Ouyang et al., 2022, section 3.5).
 */

import type { JsonValue } from '../../base/json.ts';
import { columnSums, mean } from '../../base/statistics.ts';
import type { TensorData } from '../../checkpoint/tensor-data.ts';
import type { Communicator } from '../../comm/communicator.ts';
import { selfCommunicator } from '../../comm/self-communicator.ts';
import { shareOut } from '../../comm/share-out.ts';
import { EpochBatches } from '../../data/rows/epoch-batches.ts';
import { rowDigest } from '../../data/rows/row-digest.ts';
import { flopsPerToken } from '../../nn/config.ts';
import type { ScoringModel } from '../../nn/scoring-model.ts';
import {
  comparisonBatch,
  comparisonTokens,
  type EncodedComparison,
} from '../../scoring/encoded-comparisons.ts';
import { scoreAll } from '../../scoring/reward-model.ts';
import { pairMetrics, type ScoredPair, scorePairs } from '../../scoring/scored-pairs.ts';
import { byTokens, ints, lastRows, packSequences, SCORING_TOKENS } from '../../scoring/sequences.ts';
import { noGrad } from '../../tensor/autograd.ts';
import { rankingLoss } from '../../tensor/ops/preference.ts';
import { scope, type Tensor, tensor } from '../../tensor/tensor.ts';
import type { Evaluation, TrainStage } from '../loop/stage.ts';
import type { TrainableModel } from '../loop/trainable-model.ts';
import { preferenceFigures } from './reward-figures.ts';

export interface RewardStageOptions {
  train: readonly EncodedComparison[];
  validation: readonly EncodedComparison[];
  /** Comparisons per batch, and batches per update (default 1). */
  batchSize: number;
  gradAccum?: number | undefined;
  /** Weight of the penalty (better + worse)^2. */
  centering: number;
  seed: number;
  /** The ranks that share evaluations. Default: only this process. */
  communicator?: Communicator;
}

export type RewardBatch = EncodedComparison[];

export class RewardStage implements TrainStage<EncodedComparison[]> {
  readonly parameters: ReadonlyMap<string, Tensor>;
  readonly tokensPerBatch: number;
  readonly flopsPerToken: number;
  readonly prefetch = true;
  readonly evaluate?: () => Promise<Evaluation>;
  readonly #model: TrainableModel<ScoringModel>;
  readonly #options: RewardStageOptions;
  readonly #batches: EpochBatches;
  /** Pairs and correct pairs: of the last batch, and of the last update. */
  #ofBatch: readonly number[] = [0, 0];
  #ofUpdate: readonly number[] = [0, 0];

  constructor(model: TrainableModel<ScoringModel>, options: RewardStageOptions) {
    this.#model = model;
    this.#options = options;
    this.#batches = new EpochBatches(options.train.length, {
      ...options,
      digest: () => rowDigest(options.train.flatMap(contentsOf)),
    });
    this.parameters = model.trainable;
    const tokens = options.train.reduce((sum, comparison) => sum + comparisonTokens(comparison), 0);
    const typical = tokens / options.train.length;
    this.tokensPerBatch = Math.max(
      1,
      Math.round(Math.min(options.batchSize, options.train.length) * typical),
    );
    const longest = Math.max(...options.train.flatMap(({ answers }) => answers.map((a) => a.tokens.length)));
    this.flopsPerToken = flopsPerToken(model.model.config, longest);
    if (options.validation.length > 0) this.evaluate = () => this.#evaluate();
  }

  /** Updates that read every comparison once. */
  get stepsPerPass(): number {
    return this.#batches.updatesPerEpoch;
  }

  passesDone(): number {
    return this.#batches.epochsDone;
  }

  nextBatch(): EncodedComparison[] {
    return this.#batches.next().map((index) => this.#options.train[index]!);
  }

  skipBatch(): void {
    this.#batches.skip();
  }

  batchTokens(batch: EncodedComparison[]): number {
    return batch.reduce((sum, comparison) => sum + comparisonTokens(comparison), 0);
  }

  lossTokens(batch: EncodedComparison[]): number {
    return batch.length;
  }

  loss(batch: EncodedComparison[], scale: number): Tensor {
    // A batch without rows adds zeros to the gradients.
    const isEmpty = batch.length === 0;
    const read = isEmpty ? this.#options.train.slice(0, 1) : batch;
    const { answers, pairs, weights, margins } = comparisonBatch(read);
    const sequences = answers.map(({ tokens }) => tokens);
    const scores = this.#model.model.scores(packSequences(sequences), lastRows(sequences));
    const { loss, correct } = rankingLoss(scores, ints(pairs), {
      weights: tensor(weights),
      margins: tensor(margins),
      centering: this.#options.centering,
      scale: isEmpty ? 0 : scale,
    });
    this.#ofBatch = isEmpty ? [0, 0] : [weights.length, correct];
    return loss;
  }

  batchFigures(): readonly number[] {
    return this.#ofBatch;
  }

  observe(figures: readonly (readonly number[])[]): void {
    this.#ofUpdate = columnSums(figures);
  }

  stepMetrics(): Record<string, number> {
    const [pairs, correct] = this.#ofUpdate as [number, number];
    return { accuracy: correct / Math.max(1, pairs), pairs };
  }

  /** Evaluates on held-out prompts. */
  async #evaluate(): Promise<Evaluation> {
    const { validation, communicator = selfCommunicator } = this.#options;
    const groups = byTokens(validation, comparisonTokens, SCORING_TOKENS);
    const rows = await shareOut(communicator, groups, (group) =>
      scorePairs(this.#model.model, group).flatMap((pair) => fields.map((name) => pair[name])),
    );
    const scored = rows.flatMap(pairsOf);
    const metrics = prefixed('val_', pairMetrics(scored, validation.length));
    return { metrics, score: metrics.val_loss!, events: preferenceFigures(scored) };
  }

  state(): JsonValue {
    return { comparisons: this.#batches.state() };
  }

  tensors() {
    return this.#model.tensors();
  }

  restore(state: JsonValue, tensors: (name: string) => TensorData): void {
    this.#batches.restore((state as { comparisons: JsonValue }).comparisons);
    this.#model.restore(tensors);
  }

  writeModel(folder: string) {
    return this.#model.write(folder);
  }

  dispose(): void {
    this.#model.dispose();
  }
}

/** The numbers of a scored pair that ranks exchange. */
const fields = ['better', 'worse', 'weight', 'loss'] as const;

function pairsOf(row: readonly number[]): ScoredPair[] {
  return Array.from({ length: row.length / fields.length }, (_, i) => {
    const [better, worse, weight, loss] = row.slice(i * fields.length) as [number, number, number, number];
    return { better, worse, weight, loss };
  });
}

/** All of a comparison that the loss depends on. */
function contentsOf({ answers, pairs, margin }: EncodedComparison): (Int32Array | string)[] {
  return [...answers.map(({ tokens }) => tokens), JSON.stringify([pairs, margin])];
}

function prefixed(prefix: string, metrics: Record<string, number>): Record<string, number> {
  return Object.fromEntries(Object.entries(metrics).map(([name, value]) => [`${prefix}${name}`, value]));
}

/**
 * Moves the bias so that these sequences get a mean score of zero (Stiennon et al., 2020, appendix
 * B.1). Returns their mean score before.
 */
export function centerOn(model: ScoringModel, sequences: readonly Int32Array[]): number {
  const before = mean(scoreAll(model, sequences));
  const bias = model.score.bias!;
  noGrad(() => scope(() => bias.write(Float32Array.of(bias.item() - before))));
  return before;
}
