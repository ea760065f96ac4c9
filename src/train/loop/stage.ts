/**
 * The interface between a stage and the Trainer. Every stage implements it. The smallest stage has
 * parameters, nextBatch and loss.
 */
import type { WrittenFile } from '../../base/files/hashed-file.ts';
import type { JsonValue } from '../../base/json.ts';
import type { TensorData, TensorSource } from '../../checkpoint/tensor-data.ts';
import type { MetricValue } from '../../report/metrics-log.ts';
import type { Tensor } from '../../tensor/tensor.ts';

/** The result of an evaluation. */
export interface Evaluation {
  /** Logged as they are, e.g. { val_loss, bits_per_byte }. */
  metrics: Record<string, number>;
  /** What the best checkpoint is chosen by; lower is better. */
  score: number;
  /** Logged after the metrics: figures. */
  events?: readonly StageEvent[];
}

/** A text that the model wrote. */
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

/** A record of the metrics log; the Trainer adds the step. */
export type StageEvent = { event: string } & Record<string, MetricValue>;

/** What a stage gives the Trainer. */
export interface TrainStage<Batch> {
  /** What to train: parameters by name, such as trainable() of a module, or groups of them. */
  readonly parameters: ReadonlyMap<string, Tensor> | readonly ParameterGroup[];
  /**
   * The next batch; a stage that makes its own data (rollouts) does so here. The Trainer disposes
   * of a batch that is Disposable once it is used.
   */
  nextBatch(): Batch | Promise<Batch>;
  /** Weights that the loss reads and that do not train. ZeRO-3 shares them out among ranks too. */
  readonly frozen?: ReadonlyMap<string, Tensor>;
  /**
   * Which of these methods read weights when they are called next. With ZeRO-3 all weights are
   * gathered for them, so the answer is the same on all ranks. Default: none.
   */
  readonly weightsReadBy?: readonly ('nextBatch' | 'afterUpdate')[];
  /** Passes over a batch that another rank takes. Default: makes it and disposes of it. */
  skipBatch?(): void | Promise<void>;
  /**
   * Whether the next update's batches may be made during this update. Then nextBatch must not
   * depend on the weights, and only nextBatch and loss may change the state, which is read before
   * the early batches are made. Default false.
   */
  readonly prefetch?: boolean;
  /** `scale` times the sum of the losses of a batch, f32 `[1]`. */
  loss(batch: Batch, scale: number): Tensor;
  /** What the metrics of a step need of the last loss's batch: as many numbers each time. */
  batchFigures?(): readonly number[];
  /**
   * Takes the figures of all batches of an update, those of other ranks included, in the order of
   * the batches. Called before afterUpdate and stepMetrics.
   */
  observe?(figures: readonly (readonly number[])[]): void;
  /**
   * How many losses a batch sums: tokens with a target, comparisons. `scale` is 1 over their number
   * in all batches of an update. Default 1: the sum of a batch is its mean loss.
   */
  lossTokens?(batch: Batch): number;
  /**
   * Tokens that one batch feeds through the model, or the most. A budget of tokens needs it.
   * Default 0: unknown, and no speed is reported.
   */
  readonly tokensPerBatch?: number;
  /** Tokens that this batch feeds through the model. Default: tokensPerBatch. */
  batchTokens?(batch: Batch): number;
  /**
   * Steps of one pass through what the stage learns from, such as an epoch or a rollout. May be a
   * fraction. A budget of passes needs it.
   */
  readonly stepsPerPass?: number;
  /** Passes that are done after the last update, the share of the current one included. */
  passesDone?(): number;
  /** Floating-point operations of a token's forward and backward pass. Default 0: unknown. */
  readonly flopsPerToken?: number;
  /**
   * Why the last update had nothing to learn from, and what to do; undefined if it had something.
   * Many such updates in a row give a warning.
   */
  idleReason?(): string | undefined;
  /** Called after each update, skipped or not: e.g. to update a moving average of the weights. */
  afterUpdate?(): void;
  /** Metrics to log with the step, in addition to loss and speed. All ranks have the same. */
  stepMetrics?(): Record<string, number>;
  /** Events to log with the step: samples of a rollout, figures. */
  stepEvents?(): readonly StageEvent[];
  evaluate?(): Promise<Evaluation>;
  sample?(): Promise<Sample[]>;
  /**
   * The data cursor, and everything else that a resumed run needs for the same bits. Default: null.
   */
  state?(): JsonValue;
  /** State that is too large for JSON, such as other models' weights or a rollout, by name. */
  tensors?(): Iterable<readonly [string, TensorSource]>;
  /** Restores what state() and tensors() returned. */
  restore?(state: JsonValue, tensors: (name: string) => TensorData): void;
  /**
   * Writes the current model into a checkpoint's folder and returns the files. A resumed run
   * makes the stage from that folder. If a stage has no writeModel, the Trainer saves and
   * restores the parameters.
   */
  writeModel?(folder: string): Promise<readonly WrittenFile[]>;
  dispose?(): void;
}

/** A stage's parameters as groups; parameters alone are one group without a name. */
export function parameterGroups({
  parameters,
}: Pick<TrainStage<never>, 'parameters'>): readonly ParameterGroup[] {
  return parameters instanceof Map ? [{ name: '', parameters }] : (parameters as readonly ParameterGroup[]);
}
