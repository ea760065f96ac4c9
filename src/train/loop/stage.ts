/** What the Trainer needs to know of a stage. Pretraining, SFT, reward modelling and the rest each implement this. */
import type { WrittenFile } from '../../base/files/hashed-file.ts';
import type { JsonValue } from '../../base/json.ts';
import type { TensorData, TensorSource } from '../../checkpoint/tensor-data.ts';
import type { MetricValue } from '../../report/metrics-log.ts';
import type { Tensor } from '../../tensor/tensor.ts';

export interface Evaluation {
  /** Logged as they are, e.g. { val_loss, bits_per_byte }. */
  metrics: Record<string, number>;
  /** What the best checkpoint is chosen by; lower is better. */
  score: number;
  /** Logged beside it: figures. */
  events?: readonly StageEvent[];
}

export interface Sample {
  prompt: string;
  text: string;
}

/** Parameters that one optimizer updates, with a learning rate and a gradient norm of their own. */
export interface ParameterGroup {
  /** Prefixes the optimizer's tensors and metrics; empty where there is one group. */
  name: string;
  parameters: ReadonlyMap<string, Tensor>;
  /** Factor on the schedule's learning rate. Default 1. */
  lrScale?: number;
}

/** A record of the metrics log; the step is the Trainer's to add. */
export type StageEvent = { event: string } & Record<string, MetricValue>;

export interface TrainStage<Batch> {
  readonly name: string;
  readonly groups: readonly ParameterGroup[];
  /** Tokens that one batch feeds through the model, or at most: a budget of tokens counts with it. */
  readonly tokensPerBatch: number;
  /** Floating-point operations of a forward and backward pass for one token. */
  readonly flopsPerToken: number;
  /** The next batch; a stage that makes its own data (rollouts) does so here. */
  nextBatch(): Batch | Promise<Batch>;
  /** Tokens that this batch feeds through the model. Default: tokensPerBatch. */
  batchTokens?(batch: Batch): number;
  /** What the loss of a batch is a sum over: tokens with a loss, or comparisons. */
  lossTokens(batch: Batch): number;
  /** scale * the sum of the losses, f32 `[1]`. */
  loss(batch: Batch, scale: number): Tensor;
  /** After an update (skipped or not): whatever follows the weights, such as their moving average. */
  afterUpdate?(): void;
  /** What to log of the step besides loss and speed. */
  stepMetrics?(): Record<string, number>;
  /** Events to log with the step: samples of a rollout, figures. */
  stepEvents?(): readonly StageEvent[];
  evaluate?(): Promise<Evaluation>;
  sample?(): Promise<Sample[]>;
  /** The data cursor and whatever else must be restored for the same bits. */
  state(): JsonValue;
  /** State that is too large for JSON, by names of its own: other models' weights, a rollout. */
  tensors?(): Iterable<readonly [string, TensorSource]>;
  restore(state: JsonValue, tensors: (name: string) => TensorData): void;
  /** Writes the model as it stands into a folder and says which files. */
  writeModel(folder: string): Promise<readonly WrittenFile[]>;
  dispose(): void;
}
