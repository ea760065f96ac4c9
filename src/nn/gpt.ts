/** The language model: a decoder whose head gives logits over the vocabulary. */
import { native } from '../native/addon.ts';
import { type CrossEntropyOptions, type CrossEntropyResult, linearCrossEntropy } from '../tensor/ops/loss.ts';
import { gatherRows } from '../tensor/ops/rows.ts';
import { Tensor } from '../tensor/tensor.ts';
import type { ModelConfig } from './config.ts';
import { Decoder, type GptInput, type GptOptions } from './decoder.ts';
import { Initializer } from './init.ts';
import { Linear } from './layers.ts';

/** A language model. */
export class Gpt extends Decoder {
  /** The output head; undefined when it is tied to the token embedding. */
  readonly head: Linear | undefined;

  /** A model with random weights. presetConfig gives configurations. */
  constructor(config: ModelConfig, options: GptOptions = {}) {
    const init = new Initializer(options.seed ?? 0, options.weights);
    super(config, init, options);
    const { vocabSize, hiddenSize, initializerRange: std } = config;
    this.head = config.tiedHead ? undefined : new Linear(hiddenSize, vocabSize, init, { std });
  }

  /**
   * `[vocab, d]`: the weight that turns hidden states into logits. With a tied head it is
   * the token table.
   */
  get headWeight(): Tensor {
    return this.head?.weight ?? this.tokenEmbedding.weight;
  }

  /**
   * The logits to sample from, f32 `[rows, vocab]`. They have the same bits that the losses use.
   * They carry no gradient: train through loss(). With quantized weights they are those of the int8
   * head.
   * @param hidden `[n, d]` from forward()
   * @param rows i32 `[rows]`: the hidden rows to use; default all
   */
  logits(hidden: Tensor, rows?: Tensor): Tensor {
    const chosen = rows ? gatherRows(hidden, rows) : hidden;
    const quantized = this.quantized?.of(this.headWeight);
    const { vocabSize: outputs, logitSoftcap: softcap } = this.config;
    if (!quantized) return new Tensor(native.linearLogits(chosen.handle, this.headWeight.handle, softcap));
    const head = { weight: quantized.handle, outputs, activation: 'none', dtype: 'f32' } as const;
    const logits = native.quantizedLinear({ x: chosen.handle, ...head });
    return new Tensor(softcap === undefined ? logits : native.capLogits(logits, softcap));
  }

  /**
   * Next-token cross-entropy.
   * @param targets i32 `[n]`; -100 where there is none
   */
  loss(input: GptInput, targets: Tensor, options?: CrossEntropyOptions): CrossEntropyResult {
    return linearCrossEntropy(this.forward(input), this.headWeight, targets, {
      ...options,
      softcap: this.config.logitSoftcap,
    });
  }
}
