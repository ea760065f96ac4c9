/** The pretraining stage: next-token prediction on token shards. */

import type { WrittenFile } from '../../base/files/hashed-file.ts';
import type { JsonValue } from '../../base/json.ts';
import type { Communicator } from '../../comm/communicator.ts';
import type { TokenDataset } from '../../data/shards/token-dataset.ts';
import { TokenLoader, type TokenLoaderOptions } from '../../data/shards/token-loader.ts';
import { TokenBatch } from '../../data/token-batch.ts';
import { perplexity } from '../../eval/perplexity.ts';
import { generateText } from '../../generate/generate-text.ts';
import { flopsPerToken } from '../../nn/config.ts';
import type { Gpt } from '../../nn/gpt.ts';
import type { Tensor } from '../../tensor/tensor.ts';
import type { Tokenizer } from '../../text/tokenizer.ts';
import type { Evaluation, Sample, TrainStage } from '../loop/stage.ts';

export interface PretrainStageOptions {
  loader: TokenLoaderOptions;
  /** The ranks that share evaluations. Default: only this process. */
  communicator?: Communicator;
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
  readonly #loader: TokenLoader;
  readonly #options: PretrainStageOptions;

  constructor(model: Gpt, tokenizer: Tokenizer, dataset: TokenDataset, options: PretrainStageOptions) {
    const { batchSize, context } = options.loader;
    this.#model = model;
    this.#tokenizer = tokenizer;
    this.#dataset = dataset;
    this.#options = options;
    this.#loader = new TokenLoader(dataset, options.loader);
    this.parameters = model.parameters();
    this.tokensPerBatch = batchSize * context;
    this.flopsPerToken = flopsPerToken(model.config, context);
  }

  nextBatch(): TokenBatch {
    return new TokenBatch(this.#loader.next());
  }

  skipBatch(): void {
    this.#loader.skip();
  }

  lossTokens({ countedTargets }: TokenBatch): number {
    return countedTargets;
  }

  loss({ input, targets }: TokenBatch, scale: number): Tensor {
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
  }

  writeModel(folder: string) {
    return this.#options.writeModel(folder);
  }

  dispose(): void {
    this.#model.dispose();
    this.#dataset.close();
  }
}
