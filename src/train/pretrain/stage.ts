/** The pretraining stage: next-token prediction on token shards. */

import type { WrittenFile } from '../../base/files/hashed-file.ts';
import type { JsonValue } from '../../base/json.ts';
import type { Communicator } from '../../comm/communicator.ts';
import { MixedLoader, type SourceProgress } from '../../data/shards/mixed-loader.ts';
import type { TokenDataset } from '../../data/shards/token-dataset.ts';
import { TokenLoader, type TokenLoaderOptions } from '../../data/shards/token-loader.ts';
import { TokenBatch } from '../../data/token-batch.ts';
import { perplexity } from '../../eval/perplexity.ts';
import { generateText } from '../../generate/generate-text.ts';
import { flopsPerToken } from '../../nn/config.ts';
import type { Gpt } from '../../nn/gpt.ts';
import { figureEvent } from '../../report/figures.ts';
import type { Tensor } from '../../tensor/tensor.ts';
import type { Tokenizer } from '../../text/tokenizer.ts';
import type { Evaluation, Sample, StageEvent, TrainStage } from '../loop/stage.ts';

export interface PretrainStageOptions {
  loader: TokenLoaderOptions;
  /** Reads sources in other proportions than there is of each, with the options of `loader`. */
  mixed?: MixedLoader | undefined;
  /** The ranks that share evaluations. Default: only this process. */
  communicator?: Communicator;
  /** Batches of an update over all ranks. Default 1. */
  gradAccum?: number;
  /** Largest number of validation tokens per evaluation. */
  evalTokens: number;
  samplePrompts: readonly string[];
  /** New tokens per sample. */
  sampleTokens: number;
  writeModel: (folder: string) => Promise<readonly WrittenFile[]>;
}

export class PretrainStage implements TrainStage<TokenBatch> {
  readonly parameters: ReadonlyMap<string, Tensor>;
  readonly tokensPerBatch: number;
  readonly flopsPerToken: number;
  readonly prefetch = true;
  readonly #model: Gpt;
  readonly #tokenizer: Tokenizer;
  readonly #dataset: TokenDataset;
  readonly #loader: TokenLoader | MixedLoader;
  /** What is read of each source after each update whose batches are there already. */
  readonly #coming: SourceProgress[][] = [];
  /** After the last update. */
  #read: SourceProgress[] = [];
  /** Batches that all ranks have taken. */
  #taken = 0;
  readonly #options: PretrainStageOptions;

  constructor(model: Gpt, tokenizer: Tokenizer, dataset: TokenDataset, options: PretrainStageOptions) {
    const { batchSize, context } = options.loader;
    this.#model = model;
    this.#tokenizer = tokenizer;
    this.#dataset = dataset;
    this.#options = options;
    this.#loader = options.mixed ?? new TokenLoader(dataset, options.loader);
    this.parameters = model.parameters();
    this.tokensPerBatch = batchSize * context;
    this.flopsPerToken = flopsPerToken(model.config, context);
  }

  nextBatch(): TokenBatch {
    const batch = new TokenBatch(this.#loader.next());
    this.#countBatch();
    return batch;
  }

  skipBatch(): void {
    this.#loader.skip();
    this.#countBatch();
  }

  #countBatch(): void {
    if (!(this.#loader instanceof MixedLoader)) return;
    this.#taken += 1;
    if (this.#taken % (this.#options.gradAccum ?? 1) === 0) this.#coming.push(this.#loader.progress());
  }

  afterUpdate(): void {
    this.#read = this.#coming.shift() ?? this.#read;
  }

  lossTokens({ countedTargets }: TokenBatch): number {
    return countedTargets;
  }

  loss(batch: TokenBatch, scale: number): Tensor {
    const { input, targets } = batch;
    return this.#model.loss(input, targets, { scale }).loss;
  }

  async evaluate(): Promise<Evaluation> {
    const { batchSize, context } = this.#options.loader;
    const result = await perplexity(this.#model, this.#dataset, {
      batchSize,
      context,
      maxTokens: this.#options.evalTokens,
      ...(this.#options.communicator && { communicator: this.#options.communicator }),
    });
    return {
      metrics: { val_loss: result.valLoss, bits_per_byte: result.bitsPerByte },
      score: result.valLoss,
      events: sourceEvents(this.#read),
    };
  }

  async sample(): Promise<Sample[]> {
    const { samplePrompts, sampleTokens, loader } = this.#options;
    const options = { maxTokens: sampleTokens, temperature: 0.8, topP: 0.95, seed: loader.seed };
    const completions = await generateText(this.#model, this.#tokenizer, samplePrompts, options);
    return completions.map(({ prompt, text }) => ({ prompt, text }));
  }

  state(): JsonValue {
    return { loader: this.#loader.state() };
  }

  restore(state: JsonValue): void {
    this.#loader.restore((state as { loader: JsonValue }).loader);
    if (this.#loader instanceof MixedLoader) this.#read = this.#loader.progress();
  }

  writeModel(folder: string) {
    return this.#options.writeModel(folder);
  }

  dispose(): void {
    this.#model.dispose();
    this.#dataset.close();
  }
}

/** Tokens of each source, for the log and as a figure. */
function sourceEvents(read: readonly SourceProgress[]): StageEvent[] {
  if (read.length === 0) return [];
  const all = read.reduce((sum, { tokens }) => sum + tokens, 0);
  const bars = read.map(({ name, tokens }) => ({
    label: name,
    value: tokens / Math.max(1, all),
    count: tokens,
  }));
  return [
    ...read.map(({ name, tokens, epochs }) => ({ event: 'source', source: name, tokens, epochs })),
    figureEvent({ kind: 'bars', title: 'Share of the tokens that were read, by source', bars }),
  ];
}
