/** Supervised fine-tuning: next-token prediction on what the assistant said, and on nothing else. */

import type { JsonObject, JsonValue } from '../../base/json.ts';
import type { TensorData } from '../../checkpoint/tensor-data.ts';
import type { ExampleLoader } from '../../data/rows/example-loader.ts';
import { packExamples } from '../../data/rows/example-loader.ts';
import type { SupervisedExample } from '../../data/rows/supervised-examples.ts';
import type { PackedTokens } from '../../data/shards/token-loader.ts';
import { generate } from '../../generate/generator.ts';
import { flopsPerToken } from '../../nn/config.ts';
import type { EmbeddingNoise } from '../../nn/embedding-noise.ts';
import type { Gpt } from '../../nn/gpt.ts';
import { byTokens, ints } from '../../scoring/episode.ts';
import { SCORING_TOKENS } from '../../scoring/reward-source.ts';
import { noGrad } from '../../tensor/autograd.ts';
import { linearCrossEntropy } from '../../tensor/ops/loss.ts';
import { gatherRows } from '../../tensor/ops/rows.ts';
import { scope, type Tensor, tensor } from '../../tensor/tensor.ts';
import type { ChatTokenizer } from '../loop/chat-model.ts';
import type { Evaluation, ParameterGroup, Sample, TrainStage } from '../loop/stage.ts';
import type { TrainableModel } from '../loop/trainable-model.ts';

export interface SftStageOptions {
  loader: ExampleLoader;
  validation: readonly SupervisedExample[];
  /** Tokens of a batch at most. */
  tokensPerBatch: number;
  context: number;
  /** NEFTune's alpha; 0 adds no noise. */
  neftune: number;
  /** User messages answered as samples, and new tokens in an answer. */
  samplePrompts: readonly string[];
  sampleTokens: number;
  seed: number;
}

export class SftStage implements TrainStage<PackedTokens> {
  readonly name = 'sft';
  readonly groups: readonly ParameterGroup[];
  readonly tokensPerBatch: number;
  readonly flopsPerToken: number;
  /** Only where there is something to evaluate on. */
  readonly evaluate?: () => Promise<Evaluation>;
  readonly #policy: TrainableModel<Gpt>;
  readonly #chat: ChatTokenizer;
  readonly #options: SftStageOptions;
  /** Batches gone through: the stream of each one's noise. */
  #batches = 0;
  #supervised = 0;

  constructor(policy: TrainableModel<Gpt>, chat: ChatTokenizer, options: SftStageOptions) {
    this.#policy = policy;
    this.#chat = chat;
    this.#options = options;
    this.groups = [{ name: '', parameters: policy.trainable }];
    this.tokensPerBatch = options.tokensPerBatch;
    this.flopsPerToken = flopsPerToken(policy.model.config, options.context);
    if (options.validation.length > 0) this.evaluate = () => this.#evaluate();
  }

  nextBatch(): PackedTokens {
    return this.#options.loader.next();
  }

  batchTokens({ tokens }: PackedTokens): number {
    return tokens.length;
  }

  lossTokens({ targets }: PackedTokens): number {
    const count = targets.reduce((sum, target) => sum + (target >= 0 ? 1 : 0), 0);
    this.#supervised += count;
    return count;
  }

  loss(batch: PackedTokens, scale: number): Tensor {
    const { neftune, seed } = this.#options;
    this.#batches += 1;
    const noise = neftune > 0 ? { alpha: neftune, seed, stream: this.#batches } : undefined;
    return supervisedLoss(this.#policy.model, batch, { scale, noise });
  }

  stepMetrics(): Record<string, number> {
    const metrics = { epoch: this.#options.loader.epoch, supervised_tokens: this.#supervised };
    this.#supervised = 0;
    return metrics;
  }

  /** Mean over all supervised tokens of the validation examples. */
  async #evaluate(): Promise<Evaluation> {
    let nats = 0;
    let counted = 0;
    for (const group of byTokens(this.#options.validation, ({ tokens }) => tokens.length, SCORING_TOKENS)) {
      const batch = packExamples(group);
      nats += noGrad(() => scope(() => supervisedLoss(this.#policy.model, batch, { scale: 1 }).item()));
      counted += batch.targets.reduce((sum, target) => sum + (target >= 0 ? 1 : 0), 0);
    }
    const valLoss = nats / Math.max(1, counted);
    return { metrics: { val_loss: valLoss }, score: valLoss };
  }

  async sample(): Promise<Sample[]> {
    const { samplePrompts, sampleTokens } = this.#options;
    const { template, tokenizer } = this.#chat;
    const prompts = samplePrompts.map((content) => template.encodePrompt([{ role: 'user', content }]));
    const completions = await generate(this.#policy.model, prompts, {
      maxTokens: sampleTokens,
      temperature: 0,
      stopTokens: template.stopTokens,
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

/** `scale` times the sum of the losses, f32 `[1]`. Rows without a target never reach the vocabulary. */
function supervisedLoss(
  model: Gpt,
  batch: PackedTokens,
  { scale, noise }: { scale: number; noise?: EmbeddingNoise | undefined },
): Tensor {
  const hidden = model.forward({
    tokens: tensor(batch.tokens),
    positions: tensor(batch.positions),
    cuSeqlens: tensor(batch.cuSeqlens),
    ...(noise && { embeddingNoise: noise }),
  });
  const rows = Array.from(batch.targets.keys()).filter((row) => batch.targets[row]! >= 0);
  const targets = ints(rows.map((row) => batch.targets[row]!));
  return linearCrossEntropy(gatherRows(hidden, ints(rows)), model.headWeight, targets, { scale }).loss;
}
