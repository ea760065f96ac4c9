/**
 * The decoder-only trunk under every head, as a ModelConfig describes it. Rows are tokens.
 * cuSeqlens alone separates sequences, so a packed batch gives the same results as separate
 * sequences, at the same cost.
 */
import { AthanorError } from '../base/errors.ts';
import { native } from '../native/addon.ts';
import type { FrozenFormat } from '../native/binding/frozen.ts';
import type { DType } from '../native/binding.ts';
import { checkpoint } from '../tensor/autograd.ts';
import { scale } from '../tensor/ops/elementwise.ts';
import { embedding } from '../tensor/ops/embedding.ts';
import { keep, Tensor } from '../tensor/tensor.ts';
import { Block, makeNorm } from './blocks.ts';
import { CachedDecoder, type DecoderCache, type TokenRows } from './cached-decoder.ts';
import { blockOf, embeddingScale, type ModelConfig } from './config.ts';
import { addEmbeddingNoise, type EmbeddingNoise } from './embedding-noise.ts';
import type { Initializer } from './init.ts';
import { Embedding, type Norm } from './layers.ts';
import { Module } from './module.ts';
import type { QuantizedWeights } from './quantized-weights.ts';
import { type RopeSpec, ropeFactors } from './rope.ts';

/** Tokens of one or more sequences, end to end. */
export interface GptInput extends TokenRows {
  /** Noise on the embeddings (NEFTune), for training only. */
  embeddingNoise?: EmbeddingNoise;
}

/** The dtype of matrices. */
export type WeightDType = 'f32' | 'bf16';

/** How a model is kept and computed. */
export interface GptOptions {
  /** Dtype of activations. Default f32. */
  dtype?: DType;
  /**
   * The dtype of matrices (tables and projections): f32 masters, or bf16 alone, which AdamW updates
   * with stochastic rounding. Gains, biases and a score head are always f32. Default f32.
   */
  weights?: WeightDType | undefined;
  /**
   * Keeps the projections of the blocks in int8 or NF4, for training with LoRA. They do not train
   * themselves and are not among the parameters. Default: as `weights` says.
   */
  frozenProjections?: FrozenFormat | undefined;
  /** The seed of the initial weights. Default 0. */
  seed?: number;
  /**
   * Gradient checkpointing: compute each block again in the backward pass. It needs less memory and
   * a third more time. Default false.
   */
  checkpointActivations?: boolean;
}

/** The trunk with its parameters. Gpt and ScoringModel add a head. */
export abstract class Decoder extends Module {
  readonly config: ModelConfig;
  readonly tokenEmbedding: Embedding;
  /** Undefined where positions are rotary or absent. */
  readonly positionEmbedding: Embedding | undefined;
  readonly blocks: Block[] = [];
  readonly finalNorm: Norm;
  /** Dtype of activations. */
  readonly dtype: DType;
  /** Dtype of matrices. */
  readonly weights: WeightDType;
  /** The form of projections that do not train; undefined: they are parameters. */
  readonly frozenProjections: FrozenFormat | undefined;
  readonly checkpointActivations: boolean;
  /** One table for each kind of rotary positions among the blocks, by its description. */
  readonly #ropeTables = new Map<string, Tensor>();
  readonly #cached: CachedDecoder;
  #quantized: QuantizedWeights | undefined;

  protected constructor(config: ModelConfig, init: Initializer, options: GptOptions) {
    super();
    this.config = config;
    this.dtype = options.dtype ?? 'f32';
    this.weights = options.weights ?? 'f32';
    this.frozenProjections = options.frozenProjections;
    this.checkpointActivations = options.checkpointActivations ?? false;
    const { vocabSize, hiddenSize, contextLength, initializerRange: std } = config;
    this.tokenEmbedding = new Embedding(vocabSize, hiddenSize, init, std);
    if (config.positionTable) {
      this.positionEmbedding = new Embedding(contextLength, hiddenSize, init, std);
    }
    for (let i = 0; i < config.layers; ++i) {
      const spec = blockOf(config, i);
      const ropeTable = spec.rope && this.#ropeTable(spec.rope);
      this.blocks.push(new Block(config, spec, init, ropeTable, this.frozenProjections));
    }
    this.finalNorm = makeNorm(config, init);
    this.#cached = new CachedDecoder(this);
  }

  /** The int8 weights that the model decodes with, if any; see quantizeForDecoding. */
  get quantized(): QuantizedWeights | undefined {
    return this.#quantized;
  }

  /** Use quantizeForDecoding. The model does not own the weights. */
  attachQuantized(weights: QuantizedWeights | undefined): void {
    this.#quantized = weights;
    this.#cached.dispose();
  }

  #ropeTable(rope: RopeSpec): Tensor {
    const { contextLength, headDim } = this.config;
    const key = JSON.stringify(rope);
    const found = this.#ropeTables.get(key);
    if (found) return found;
    const { theta, width = headDim } = rope;
    const { frequencies, magnitude } = ropeFactors(rope, width, contextLength);
    const table = keep(new Tensor(native.ropeTable(contextLength, width, theta, frequencies, magnitude)));
    this.#ropeTables.set(key, table);
    return table;
  }

  /**
   * The final hidden states `[n, d]`, in `dtype`. With a cache the tokens continue the cached
   * sequences, and the result carries no gradient. Throws ERR_ARGUMENT for embedding noise with a
   * cache and for an id outside of the vocabulary.
   */
  forward(input: GptInput, cache?: DecoderCache): Tensor {
    const { tokens, positions, embeddingNoise } = input;
    if (cache) {
      if (embeddingNoise) {
        throw new AthanorError('ERR_ARGUMENT', '[embeddingNoise] is for training, not for decoding');
      }
      return this.#cached.forward(input, cache);
    }
    let x = embedding(
      tokens,
      this.tokenEmbedding.weight,
      positions,
      this.positionEmbedding?.weight,
      this.dtype,
    );
    const factor = embeddingScale(this.config, this.dtype);
    if (factor !== undefined) x = scale(x, factor);
    if (embeddingNoise) addEmbeddingNoise(x, input.cuSeqlens, embeddingNoise);
    let delta: Tensor | undefined;
    this.blocks.forEach((block) => {
      const run = (from: Tensor, branch?: Tensor) => {
        const out = block.forward(from, branch, input);
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

  /** Frees the parameters and tables. */
  override dispose(): void {
    this.#cached.dispose();
    super.dispose();
    for (const table of this.#ropeTables.values()) table.dispose();
  }
}
