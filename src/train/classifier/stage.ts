/** The classifier stage: one score per sequence, trained as the logit of a class. */
import type { JsonValue } from '../../base/json.ts';
import { calibrationBins, columnSums } from '../../base/statistics.ts';
import type { TensorData } from '../../checkpoint/tensor-data.ts';
import type { Communicator } from '../../comm/communicator.ts';
import { selfCommunicator } from '../../comm/self-communicator.ts';
import { shareOut } from '../../comm/share-out.ts';
import { EpochBatches } from '../../data/rows/epoch-batches.ts';
import { rowDigest } from '../../data/rows/row-digest.ts';
import { flopsPerToken } from '../../nn/config.ts';
import type { ScoringModel } from '../../nn/scoring-model.ts';
import { figureEvent } from '../../report/figures.ts';
import { decisionMetrics, type LabelledProbability, rocAuc } from '../../scoring/binary-metrics.ts';
import { scoreAll } from '../../scoring/reward-model.ts';
import { byTokens, lastRows, packSequences, SCORING_TOKENS } from '../../scoring/sequences.ts';
import { binaryCrossEntropy, sigmoid } from '../../tensor/ops/classification.ts';
import type { Tensor } from '../../tensor/tensor.ts';
import type { Evaluation, StageEvent, TrainStage } from '../loop/stage.ts';
import type { TrainableModel } from '../loop/trainable-model.ts';

/** The tokens of a row, at whose last one the model is read, and whether it is of the class. */
export interface LabelledSequence {
  tokens: Int32Array;
  label: boolean;
}

export type ClassifierBatch = LabelledSequence[];

export interface ClassifierStageOptions {
  train: readonly LabelledSequence[];
  validation: readonly LabelledSequence[];
  /** Rows per batch, and batches per update (default 1). */
  batchSize: number;
  gradAccum?: number | undefined;
  seed: number;
  /** The ranks that share evaluations. Default: only this process. */
  communicator?: Communicator;
}

export class ClassifierStage implements TrainStage<ClassifierBatch> {
  readonly parameters: ReadonlyMap<string, Tensor>;
  readonly tokensPerBatch: number;
  readonly flopsPerToken: number;
  readonly prefetch = true;
  readonly evaluate?: () => Promise<Evaluation>;
  readonly #model: TrainableModel<ScoringModel>;
  readonly #options: ClassifierStageOptions;
  readonly #batches: EpochBatches;
  /** Rows and correct rows: of the last batch, and of the last update. */
  #ofBatch: readonly number[] = [0, 0];
  #ofUpdate: readonly number[] = [0, 0];

  constructor(model: TrainableModel<ScoringModel>, options: ClassifierStageOptions) {
    this.#model = model;
    this.#options = options;
    const { train, validation, batchSize } = options;
    this.#batches = new EpochBatches(train.length, {
      ...options,
      digest: () => rowDigest(train.flatMap(({ tokens, label }) => [tokens, String(label)])),
    });
    this.parameters = model.trainable;
    const typical = tokensOf(train) / train.length;
    this.tokensPerBatch = Math.max(1, Math.round(Math.min(batchSize, train.length) * typical));
    this.flopsPerToken = flopsPerToken(
      model.model.config,
      Math.max(...train.map(({ tokens }) => tokens.length)),
    );
    if (validation.length > 0) this.evaluate = () => this.#evaluate();
  }

  /** Updates that read every row once. */
  get stepsPerPass(): number {
    return this.#batches.updatesPerEpoch;
  }

  passesDone(): number {
    return this.#batches.epochsDone;
  }

  nextBatch(): ClassifierBatch {
    return this.#batches.next().map((index) => this.#options.train[index]!);
  }

  skipBatch(): void {
    this.#batches.skip();
  }

  batchTokens(batch: ClassifierBatch): number {
    return tokensOf(batch);
  }

  lossTokens(batch: ClassifierBatch): number {
    return batch.length;
  }

  loss(batch: ClassifierBatch, scale: number): Tensor {
    // A batch without rows adds zeros to the gradients.
    const isEmpty = batch.length === 0;
    const read = isEmpty ? this.#options.train.slice(0, 1) : batch;
    const sequences = read.map(({ tokens }) => tokens);
    const labels = read.map(({ label }) => label);
    const scores = this.#model.model.scores(packSequences(sequences), lastRows(sequences));
    const { loss, probabilities } = binaryCrossEntropy(scores, labels, isEmpty ? 0 : scale);
    const correct = labels.filter((label, i) => label === probabilities[i]! >= 0.5).length;
    this.#ofBatch = isEmpty ? [0, 0] : [labels.length, correct];
    return loss;
  }

  batchFigures(): readonly number[] {
    return this.#ofBatch;
  }

  observe(figures: readonly (readonly number[])[]): void {
    this.#ofUpdate = columnSums(figures);
  }

  stepMetrics(): Record<string, number> {
    const [rows, correct] = this.#ofUpdate as [number, number];
    return { accuracy: correct / Math.max(1, rows) };
  }

  async #evaluate(): Promise<Evaluation> {
    const { validation, communicator = selfCommunicator } = this.#options;
    const groups = byTokens(validation, ({ tokens }) => tokens.length, SCORING_TOKENS);
    const probabilities = await shareOut(communicator, groups, (group) =>
      classified(this.#model.model, group).map(({ probability }) => probability),
    );
    const rows = groups.flatMap((group, g) =>
      group.map(({ label }, i) => ({ probability: probabilities[g]![i]!, label })),
    );
    const { accuracy, precision, recall } = decisionMetrics(rows, 0.5);
    const losses = rows.map(
      ({ probability, label }) => -Math.log(Math.max(1e-12, label ? probability : 1 - probability)),
    );
    const loss = losses.reduce((sum, one) => sum + one, 0) / rows.length;
    const shares = { val_precision: precision, val_recall: recall, val_roc_auc: rocAuc(rows) };
    const defined = Object.fromEntries(Object.entries(shares).filter(([, share]) => !Number.isNaN(share)));
    const metrics = { val_loss: loss, val_accuracy: accuracy, ...defined };
    return { metrics, score: loss, events: classifierFigures(rows) };
  }

  state(): JsonValue {
    return { rows: this.#batches.state() };
  }

  tensors() {
    return this.#model.tensors();
  }

  restore(state: JsonValue, tensors: (name: string) => TensorData): void {
    this.#batches.restore((state as { rows: JsonValue }).rows);
    this.#model.restore(tensors);
  }

  writeModel(folder: string) {
    return this.#model.write(folder);
  }

  dispose(): void {
    this.#model.dispose();
  }
}

function tokensOf(rows: readonly LabelledSequence[]): number {
  return rows.reduce((sum, { tokens }) => sum + tokens.length, 0);
}

/** The probabilities that a model gives to rows. */
export function classified(model: ScoringModel, rows: readonly LabelledSequence[]): LabelledProbability[] {
  const scores = scoreAll(
    model,
    rows.map(({ tokens }) => tokens),
  );
  return rows.map(({ label }, i) => ({ probability: sigmoid(scores[i]!), label }));
}

function classifierFigures(rows: readonly LabelledProbability[]): StageEvent[] {
  const valuesOf = (wanted: boolean) =>
    rows.filter(({ label }) => label === wanted).map(({ probability }) => probability);
  const probabilities = rows.map(({ probability }) => probability);
  const labels = rows.map(({ label }) => label);
  return [
    figureEvent({
      kind: 'histogram',
      title: 'Probabilities of held-out rows',
      unit: 'probability',
      series: [
        { label: 'of the class', values: valuesOf(true) },
        { label: 'others', values: valuesOf(false) },
      ],
    }),
    figureEvent({
      kind: 'calibration',
      title: 'Predicted and actual shares of the class',
      bins: calibrationBins(probabilities, labels, 10),
    }),
  ];
}
