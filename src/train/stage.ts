/** What the Trainer needs to know of a stage. Pretraining, SFT, reward modelling and the rest each implement this. */
import type { WrittenFile } from '../checkpoint/durable.ts';
import type { JsonValue } from '../native/json.ts';
import type { Tensor } from '../tensor/tensor.ts';

export interface Evaluation {
  /** Logged as they are, e.g. { val_loss, bits_per_byte }. */
  metrics: Record<string, number>;
  /** What the best checkpoint is chosen by; lower is better. */
  score: number;
}

export interface Sample {
  prompt: string;
  text: string;
}

export interface TrainStage<Batch> {
  readonly name: string;
  /** What is trained, by name. */
  readonly parameters: ReadonlyMap<string, Tensor>;
  /** Tokens that one batch feeds through the model; fixed for a run. */
  readonly tokensPerBatch: number;
  /** Floating-point operations of a forward and backward pass for one token. */
  readonly flopsPerToken: number;
  nextBatch(): Batch;
  /** Tokens with a loss in this batch. */
  lossTokens(batch: Batch): number;
  /** scale * the sum of the tokens' losses, f32 `[1]`. */
  loss(batch: Batch, scale: number): Tensor;
  evaluate?(): Promise<Evaluation>;
  sample?(): Promise<Sample[]>;
  /** The data cursor and whatever else must be restored for the same bits. */
  state(): JsonValue;
  restore(state: JsonValue): void;
  /** Writes the model as it stands into a folder and says which files. */
  writeModel(folder: string): Promise<readonly WrittenFile[]>;
}
