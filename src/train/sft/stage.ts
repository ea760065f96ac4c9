/** The SFT stage: next-token prediction of the assistant's words only. */

import type { JsonObject, JsonValue } from '../../base/json.ts';
import { columnSums } from '../../base/statistics.ts';
import type { TensorData } from '../../checkpoint/tensor-data.ts';
import type { Communicator } from '../../comm/communicator.ts';
import { selfCommunicator } from '../../comm/self-communicator.ts';
import { shareOut } from '../../comm/share-out.ts';
import type { ExampleLoader } from '../../data/rows/example-loader.ts';
import { packExamples } from '../../data/rows/example-loader.ts';
import type { SupervisedExample } from '../../data/rows/supervised-examples.ts';
import { type PackedTokens, TokenBatch } from '../../data/token-batch.ts';
import { generate } from '../../generate/generate.ts';
import { flopsPerToken } from '../../nn/config.ts';
import type { EmbeddingNoise } from '../../nn/embedding-noise.ts';
import type { Gpt } from '../../nn/gpt.ts';
import { byTokens, ints, SCORING_TOKENS } from '../../scoring/sequences.ts';
import { noGrad } from '../../tensor/autograd.ts';
import { linearCrossEntropy } from '../../tensor/ops/loss.ts';
import { gatherRows } from '../../tensor/ops/rows.ts';
import { scope, type Tensor } from '../../tensor/tensor.ts';
import type { ChatTokenizer } from '../loop/chat-model.ts';
import type { Evaluation, Sample, TrainStage } from '../loop/stage.ts';
import type { TrainableModel } from '../loop/trainable-model.ts';

export interface SftStageOptions {
  loader: ExampleLoader;
  validation: readonly SupervisedExample[];
  /** The ranks that share evaluations. Default: only this process. */
  communicator?: Communicator;
  /** Largest number of tokens per batch. */
  tokensPerBatch: number;
  context: number;
  /** NEFTune's alpha; 0: no noise. */
  neftune: number;
  /** User messages that samples answer, and new tokens per sample. */
  samplePrompts: readonly string[];
  sampleTokens: number;
  seed: number;
}

/**
 * A batch, with the rows that have a target and the number of epochs that are complete after it.
 */
export class SftBatch extends TokenBatch {
  /** i32 `[m]`: the rows that have a target. Only these rows reach the vocabulary. */
  readonly countedRows: Tensor;
  /** i32 `[m]`: the targets of these rows. */
  readonly rowTargets: Tensor;

  constructor(
    packed: PackedTokens,
    readonly epoch = 0,
    /** The number of the batch in the run; it selects the random stream of the batch's noise. */
    readonly index = 0,
  ) {
    super(packed);
    const rows = Array.from(packed.targets.keys()).filter((row) => packed.targets[row]! >= 0);
    this.countedRows = ints(rows);
    this.rowTargets = ints(rows.map((row) => packed.targets[row]!));
  }

  override [Symbol.dispose](): void {
    super[Symbol.dispose]();
    this.countedRows.dispose();
    this.rowTargets.dispose();
  }
}

export class SftStage implements TrainStage<SftBatch> {
  readonly parameters: ReadonlyMap<string, Tensor>;
  readonly frozen: ReadonlyMap<string, Tensor>;
  readonly tokensPerBatch: number;
  readonly flopsPerToken: number;
  readonly prefetch = true;
  /** Undefined when there is no validation data. */
  readonly evaluate?: () => Promise<Evaluation>;
  readonly #policy: TrainableModel<Gpt>;
  readonly #chat: ChatTokenizer;
  readonly #options: SftStageOptions;
  /** Number of batches so far. */
  #batches = 0;
  /** The epoch and the supervised tokens: of the last batch, and of the last update. */
  #ofBatch: readonly number[] = [0, 0];
  #ofUpdate: readonly number[] = [0, 0];

  constructor(policy: TrainableModel<Gpt>, chat: ChatTokenizer, options: SftStageOptions) {
    this.#policy = policy;
    this.#chat = chat;
    this.#options = options;
    this.parameters = policy.trainable;
    this.frozen = policy.frozen;
    this.tokensPerBatch = options.tokensPerBatch;
    this.flopsPerToken = flopsPerToken(policy.model.config, options.context);
    if (options.validation.length > 0) this.evaluate = () => this.#evaluate();
  }

  get stepsPerPass(): number {
    return this.#options.loader.updatesPerEpoch;
  }

  passesDone(): number {
    return this.#options.loader.epochsDone;
  }

  nextBatch(): SftBatch {
    const { loader } = this.#options;
    const packed = loader.next();
    this.#batches += 1;
    return new SftBatch(packed, loader.epoch, this.#batches);
  }

  skipBatch(): void {
    this.#options.loader.skip();
    this.#batches += 1;
  }

  batchTokens({ tokens }: SftBatch): number {
    return tokens;
  }

  lossTokens({ countedTargets }: SftBatch): number {
    return countedTargets;
  }

  loss(batch: SftBatch, scale: number): Tensor {
    const { neftune, seed } = this.#options;
    this.#ofBatch = [batch.epoch, batch.countedTargets];
    const noise = neftune > 0 ? { alpha: neftune, seed, stream: batch.index } : undefined;
    return supervisedLoss(this.#policy.model, batch, { scale, noise });
  }

  batchFigures(): readonly number[] {
    return this.#ofBatch;
  }

  observe(figures: readonly (readonly number[])[]): void {
    this.#ofUpdate = [figures.at(-1)![0]!, columnSums(figures)[1]!];
  }

  stepMetrics(): Record<string, number> {
    const [epoch, supervised] = this.#ofUpdate as [number, number];
    return { epoch, supervised_tokens: supervised };
  }

  /** The mean loss over all supervised tokens of the validation examples. */
  async #evaluate(): Promise<Evaluation> {
    const { validation, communicator = selfCommunicator } = this.#options;
    const groups = byTokens(validation, ({ tokens }) => tokens.length, SCORING_TOKENS);
    const rows = await shareOut(communicator, groups, (group) =>
      noGrad(() =>
        scope(() => {
          const batch = new SftBatch(packExamples(group));
          return [supervisedLoss(this.#policy.model, batch, { scale: 1 }).item(), batch.countedTargets];
        }),
      ),
    );
    const [nats, counted] = columnSums(rows) as [number, number];
    const valLoss = nats / Math.max(1, counted);
    return { metrics: { val_loss: valLoss }, score: valLoss };
  }

  async sample(): Promise<Sample[]> {
    const { samplePrompts, sampleTokens } = this.#options;
    const { template, tokenizer } = this.#chat;
    const prompts = samplePrompts.map((content) => template.encodePrompt([{ role: 'user', content }]));
    const { model } = this.#policy;
    const completions = await generate(model, prompts, {
      maxTokens: sampleTokens,
      temperature: 0,
      stopTokens: template.stopTokens,
      suppressTokens: tokenizer.unusedIds(model.config.vocabSize),
    });
    return completions.map(({ tokens }, i) => ({
      prompt: samplePrompts[i]!,
      text: tokenizer.decode(tokens, { skipSpecial: true }),
    }));
  }

  state(): JsonValue {
    return { loader: this.#options.loader.state(), batches: this.#batches };
  }

  tensors() {
    return this.#policy.tensors();
  }

  restore(state: JsonValue, tensors: (name: string) => TensorData): void {
    const saved = state as JsonObject;
    this.#options.loader.restore(saved.loader!);
    this.#batches = saved.batches as number;
    this.#policy.restore(tensors);
  }

  writeModel(folder: string) {
    return this.#policy.write(folder);
  }

  dispose(): void {
    this.#policy.dispose();
  }
}

/** f32 `[1]`: `scale` times the sum of the losses of the batch's targets. */
function supervisedLoss(
  model: Gpt,
  { input, countedRows, rowTargets }: SftBatch,
  { scale, noise }: { scale: number; noise?: EmbeddingNoise | undefined },
): Tensor {
  const hidden = model.forward({ ...input, ...(noise && { embeddingNoise: noise }) });
  return linearCrossEntropy(gatherRows(hidden, countedRows), model.headWeight, rowTargets, {
    scale,
    softcap: model.config.logitSoftcap,
  }).loss;
}
