/**
 * What the stages have in common that learn from rows, in shuffled epochs: comparisons, ratings,
 * labelled texts. A stage adds the loss of some rows, its metrics and its evaluation.
 */
import type { JsonValue } from '../../base/json.ts';
import { columnSums } from '../../base/statistics.ts';
import type { TensorData } from '../../checkpoint/tensor-data.ts';
import type { Communicator } from '../../comm/communicator.ts';
import { selfCommunicator } from '../../comm/self-communicator.ts';
import { EpochBatches } from '../../data/rows/epoch-batches.ts';
import { rowDigest } from '../../data/rows/row-digest.ts';
import { flopsPerToken } from '../../nn/config.ts';
import type { Decoder } from '../../nn/decoder.ts';
import type { Tensor } from '../../tensor/tensor.ts';
import type { Evaluation, TrainStage } from './stage.ts';
import type { TrainableModel } from './trainable-model.ts';

export interface RowStageOptions<Row> {
  train: readonly Row[];
  validation: readonly Row[];
  /** Rows per batch, and batches per update (default 1). */
  batchSize: number;
  gradAccum?: number | undefined;
  seed: number;
  /** The ranks that share evaluations. Default: only this process. */
  communicator?: Communicator;
}

/** What a stage says of its rows. */
export interface RowKind<Row> {
  /** Under this name a checkpoint holds the place in the rows. */
  name: string;
  /** Tokens that a row feeds through the model. */
  tokensOf(row: Row): number;
  /** All of a row that the loss depends on. */
  contentsOf(row: Row): (Int32Array | string)[];
  /** Tokens of the sequences whose operations are counted. @param typical the mean of tokensOf */
  lengthOf(typical: number, rows: readonly Row[]): number;
}

/** The loss of rows, f32 `[1]`, and what the metrics need of them: as many numbers each time. */
export interface RowsLoss {
  loss: Tensor;
  figures: readonly number[];
}

export abstract class RowStage<Row, M extends Decoder> implements TrainStage<Row[]> {
  readonly parameters: ReadonlyMap<string, Tensor>;
  readonly frozen: ReadonlyMap<string, Tensor>;
  readonly tokensPerBatch: number;
  readonly flopsPerToken: number;
  readonly prefetch = true;
  readonly evaluate?: () => Promise<Evaluation>;
  protected readonly model: M;
  protected readonly train: readonly Row[];
  protected readonly validation: readonly Row[];
  protected readonly communicator: Communicator;
  readonly #trained: TrainableModel<M>;
  readonly #kind: RowKind<Row>;
  readonly #batches: EpochBatches;
  /** Figures of the last batch, and their sums over the last update. */
  #ofBatch: readonly number[] = [];
  #ofUpdate: readonly number[] = [];

  /** Throws ERR_ARGUMENT when there are no rows to train on. */
  constructor(trained: TrainableModel<M>, options: RowStageOptions<Row>, kind: RowKind<Row>) {
    const { train, validation, batchSize, communicator = selfCommunicator } = options;
    this.#trained = trained;
    this.#kind = kind;
    this.model = trained.model;
    this.train = train;
    this.validation = validation;
    this.communicator = communicator;
    const digest = () => rowDigest(train.flatMap((row) => kind.contentsOf(row)));
    this.#batches = new EpochBatches(train.length, { ...options, digest });
    this.parameters = trained.trainable;
    this.frozen = trained.frozen;
    const typical = this.batchTokens(train) / train.length;
    this.tokensPerBatch = Math.max(1, Math.round(Math.min(batchSize, train.length) * typical));
    this.flopsPerToken = flopsPerToken(this.model.config, kind.lengthOf(typical, train));
    if (validation.length > 0) this.evaluate = () => this.evaluateRows();
  }

  /** `scale` times the sum of the losses of rows. There is at least one row. */
  protected abstract rowsLoss(rows: readonly Row[], scale: number): RowsLoss;

  /** @param figures sums over all rows of an update, on all ranks */
  protected abstract metricsOf(figures: readonly number[]): Record<string, number>;

  /** Evaluates the validation rows, of which there is at least one. */
  protected abstract evaluateRows(): Promise<Evaluation>;

  /** Updates that read every row once. */
  get stepsPerPass(): number {
    return this.#batches.updatesPerEpoch;
  }

  passesDone(): number {
    return this.#batches.epochsDone;
  }

  nextBatch(): Row[] {
    return this.#batches.next().map((index) => this.train[index]!);
  }

  skipBatch(): void {
    this.#batches.skip();
  }

  batchTokens(batch: readonly Row[]): number {
    return batch.reduce((sum, row) => sum + this.#kind.tokensOf(row), 0);
  }

  lossTokens(batch: readonly Row[]): number {
    return batch.length;
  }

  loss(batch: Row[], scale: number): Tensor {
    // A batch without rows adds zeros to the gradients.
    const isEmpty = batch.length === 0;
    const { loss, figures } = isEmpty
      ? this.rowsLoss(this.train.slice(0, 1), 0)
      : this.rowsLoss(batch, scale);
    this.#ofBatch = isEmpty ? figures.map(() => 0) : figures;
    return loss;
  }

  batchFigures(): readonly number[] {
    return this.#ofBatch;
  }

  observe(figures: readonly (readonly number[])[]): void {
    this.#ofUpdate = columnSums(figures);
  }

  stepMetrics(): Record<string, number> {
    return this.metricsOf(this.#ofUpdate);
  }

  state(): JsonValue {
    return { [this.#kind.name]: this.#batches.state() };
  }

  tensors() {
    return this.#trained.tensors();
  }

  restore(state: JsonValue, tensors: (name: string) => TensorData): void {
    this.#batches.restore((state as Record<string, JsonValue>)[this.#kind.name]!);
    this.#trained.restore(tensors);
  }

  writeModel(folder: string) {
    return this.#trained.write(folder);
  }

  dispose(): void {
    this.#trained.dispose();
  }
}
