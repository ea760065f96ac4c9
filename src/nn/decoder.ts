/**
 * The decoder-only trunk under every head, as GPT-2 (learned positions, layer norm, GELU, biases; Radford et al., 2019)
 * or Llama (RMS norm, rotary positions, SwiGLU, grouped queries; Touvron et al., 2023). Rows are tokens; sequences are
 * told apart by cuSeqlens only, so that a packed batch costs and computes the same as separate ones.
 */

import { AthanorError } from '../base/errors.ts';
import { native } from '../native/addon.ts';
import type { DType } from '../native/binding.ts';
import { checkpoint } from '../tensor/autograd.ts';
import type { SequenceIndex } from '../tensor/ops/attention.ts';
import { embedding } from '../tensor/ops/embedding.ts';
import { keep, Tensor } from '../tensor/tensor.ts';
import { Block, makeNorm } from './blocks.ts';
import { CachedDecoder, type DecoderCache } from './cached-decoder.ts';
import type { ModelConfig } from './config.ts';
import { addEmbeddingNoise, type EmbeddingNoise } from './embedding-noise.ts';
import type { Initializer } from './init.ts';
import { Embedding, type Norm } from './layers.ts';
import { Module } from './module.ts';

/** Tokens of one or more sequences, end to end. */
export interface GptInput extends SequenceIndex {
  /** i32 `[n]` */
  tokens: Tensor;
  /** NEFTune, for training. */
  embeddingNoise?: EmbeddingNoise;
}

export type WeightDType = 'f32' | 'bf16';

export interface GptOptions {
  /** Of activations. Default f32. */
  dtype?: DType;
  /**
   * What matrices (tables and projections) are kept in: f32 masters, or bf16 alone, which AdamW then updates by stochastic
   * rounding. Gains, biases and a score head are f32 in either case. Default f32.
   */
  weights?: WeightDType | undefined;
  seed?: number;
  /** Recompute each block's inside in the backward pass: less memory, a third more time. */
  checkpointActivations?: boolean;
}

export abstract class Decoder extends Module {
  readonly config: ModelConfig;
  readonly tokenEmbedding: Embedding;
  readonly positionEmbedding: Embedding | undefined;
  readonly blocks: Block[] = [];
  readonly finalNorm: Norm;
  readonly dtype: DType;
  readonly weights: WeightDType;
  readonly checkpointActivations: boolean;
  readonly #ropeTable: Tensor | undefined;
  readonly #cached: CachedDecoder;

  protected constructor(config: ModelConfig, init: Initializer, options: GptOptions) {
    super();
    this.config = config;
    this.dtype = options.dtype ?? 'f32';
    this.weights = options.weights ?? 'f32';
    this.checkpointActivations = options.checkpointActivations ?? false;
    const { vocabSize, hiddenSize, contextLength, initializerRange: std } = config;
    this.tokenEmbedding = new Embedding(vocabSize, hiddenSize, init, std);
    if (config.architecture === 'gpt2') {
      this.positionEmbedding = new Embedding(contextLength, hiddenSize, init, std);
    } else {
      this.#ropeTable = keep(new Tensor(native.ropeTable(contextLength, config.headDim, config.ropeTheta)));
    }
    for (let i = 0; i < config.layers; ++i) this.blocks.push(new Block(config, init));
    this.finalNorm = makeNorm(config, init);
    this.#cached = new CachedDecoder(this, this.#ropeTable);
  }

  /** Final hidden states `[n, d]`. With a cache, the tokens continue what is cached, and carry no gradient. */
  forward(input: GptInput, cache?: DecoderCache): Tensor {
    const { tokens, positions, embeddingNoise } = input;
    if (cache) {
      if (embeddingNoise)
        throw new AthanorError('ERR_ARGUMENT', '[embeddingNoise] is for training, not for decoding');
      return this.#cached.forward(input, cache);
    }
    let x = embedding(
      tokens,
      this.tokenEmbedding.weight,
      positions,
      this.positionEmbedding?.weight,
      this.dtype,
    );
    if (embeddingNoise) addEmbeddingNoise(x, input.cuSeqlens, embeddingNoise);
    let delta: Tensor | undefined;
    this.blocks.forEach((block) => {
      const run = (from: Tensor, branch?: Tensor) => {
        const out = block.forward(from, branch, input, this.#ropeTable);
        return [out.x, out.delta];
      };
      const inputs = delta ? [x, delta] : [x];
      [x, delta] = (this.checkpointActivations ? checkpoint(run, inputs, block.trains) : run(x, delta)) as [
        Tensor,
        Tensor,
      ];
    });
    return this.finalNorm.forward(x, delta).y;
  }

  override dispose(): void {
    super.dispose();
    this.#ropeTable?.dispose();
  }
}
