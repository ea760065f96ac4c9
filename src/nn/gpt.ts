/**
 * The one decoder-only transformer, as GPT-2 (learned positions, layer norm, GELU, biases; Radford et al., 2019) or
 * Llama (RMS norm, rotary positions, SwiGLU, grouped queries; Touvron et al., 2023). Rows are tokens; sequences are
 * told apart by cuSeqlens only, so that a packed batch costs and computes the same as separate ones.
 */
import { native } from '../native/addon.ts';
import type { DType } from '../native/binding.ts';
import { checkpoint } from '../tensor/autograd.ts';
import { swiglu } from '../tensor/ops/activation.ts';
import {
  type AttentionShape,
  causalSelfAttention,
  type LayerCache,
  type SequenceIndex,
} from '../tensor/ops/attention.ts';
import { embedding } from '../tensor/ops/embedding.ts';
import { geluFeedForward } from '../tensor/ops/linear.ts';
import { type CrossEntropyOptions, type CrossEntropyResult, linearCrossEntropy } from '../tensor/ops/loss.ts';
import { gatherRows } from '../tensor/ops/rows.ts';
import { keep, Tensor } from '../tensor/tensor.ts';
import type { ModelConfig } from './config.ts';
import { Initializer } from './init.ts';
import { Embedding, LayerNorm, Linear, type Norm, RmsNorm } from './layers.ts';
import { Module } from './module.ts';

/** Tokens of one or more sequences, end to end. */
export interface GptInput extends SequenceIndex {
  /** i32 `[n]` */
  tokens: Tensor;
}

export interface GptOptions {
  /** Of activations; weights are f32 masters. Default f32. */
  dtype?: DType;
  seed?: number;
  /** Recompute each block's inside in the backward pass: less memory, a third more time. */
  checkpointActivations?: boolean;
}

class Attention extends Module {
  readonly qkv: Linear;
  readonly output: Linear;
  readonly #shape: AttentionShape;

  constructor(config: ModelConfig, init: Initializer, residualStd: number) {
    super();
    const { heads, kvHeads, headDim, hiddenSize, initializerRange: std } = config;
    const bias = config.architecture === 'gpt2';
    this.#shape = { heads, kvHeads, headDim };
    this.qkv = new Linear(hiddenSize, (heads + 2 * kvHeads) * headDim, init, { bias, std });
    this.output = new Linear(heads * headDim, hiddenSize, init, { bias, std: residualStd });
  }

  forward(x: Tensor, index: SequenceIndex, ropeTable?: Tensor, cache?: LayerCache): Tensor {
    return this.output.forward(
      causalSelfAttention(this.qkv.forward(x), index, this.#shape, ropeTable, cache),
    );
  }
}

class GeluMlp extends Module {
  readonly up: Linear;
  readonly down: Linear;

  constructor(config: ModelConfig, init: Initializer, residualStd: number) {
    super();
    const { hiddenSize, intermediateSize, initializerRange: std } = config;
    this.up = new Linear(hiddenSize, intermediateSize, init, { bias: true, std });
    this.down = new Linear(intermediateSize, hiddenSize, init, { bias: true, std: residualStd });
  }

  forward(x: Tensor): Tensor {
    return geluFeedForward(x, {
      up: this.up.weight,
      down: this.down.weight,
      ...(this.up.bias && { upBias: this.up.bias }),
      ...(this.down.bias && { downBias: this.down.bias }),
    });
  }
}

class SwigluMlp extends Module {
  readonly gateUp: Linear;
  readonly down: Linear;

  constructor(config: ModelConfig, init: Initializer, residualStd: number) {
    super();
    const { hiddenSize, intermediateSize, initializerRange: std } = config;
    this.gateUp = new Linear(hiddenSize, 2 * intermediateSize, init, { std });
    this.down = new Linear(intermediateSize, hiddenSize, init, { std: residualStd });
  }

  forward(x: Tensor): Tensor {
    return this.down.forward(swiglu(this.gateUp.forward(x)));
  }
}

/** Pre-norm block. The residual stream travels as (x, delta): the next norm adds delta as it reads. */
class Block extends Module {
  readonly attentionNorm: Norm;
  readonly attention: Attention;
  readonly mlpNorm: Norm;
  readonly mlp: GeluMlp | SwigluMlp;

  constructor(config: ModelConfig, init: Initializer) {
    super();
    // Each block adds two branches to the stream; dividing by sqrt(2 layers) keeps its variance at depth (GPT-2 §2.3).
    const residualStd = config.initializerRange / Math.sqrt(2 * config.layers);
    this.attentionNorm = makeNorm(config, init);
    this.attention = new Attention(config, init, residualStd);
    this.mlpNorm = makeNorm(config, init);
    this.mlp =
      config.architecture === 'gpt2'
        ? new GeluMlp(config, init, residualStd)
        : new SwigluMlp(config, init, residualStd);
  }

  forward(
    x: Tensor,
    delta: Tensor | undefined,
    index: SequenceIndex,
    ropeTable?: Tensor,
    cache?: LayerCache,
  ) {
    const first = this.attentionNorm.forward(x, delta);
    const attended = this.attention.forward(first.y, index, ropeTable, cache);
    const second = this.mlpNorm.forward(first.sum, attended);
    return { x: second.sum, delta: this.mlp.forward(second.y) };
  }
}

function makeNorm(config: ModelConfig, init: Initializer): Norm {
  const { architecture, hiddenSize, normEps } = config;
  return architecture === 'gpt2'
    ? new LayerNorm(hiddenSize, init, normEps)
    : new RmsNorm(hiddenSize, init, normEps);
}

export class Gpt extends Module {
  readonly config: ModelConfig;
  readonly tokenEmbedding: Embedding;
  readonly positionEmbedding: Embedding | undefined;
  readonly blocks: Block[] = [];
  readonly finalNorm: Norm;
  readonly head: Linear | undefined;
  readonly dtype: DType;
  readonly checkpointActivations: boolean;
  readonly #ropeTable: Tensor | undefined;

  constructor(config: ModelConfig, options: GptOptions = {}) {
    super();
    this.config = config;
    this.dtype = options.dtype ?? 'f32';
    this.checkpointActivations = options.checkpointActivations ?? false;
    const init = new Initializer(options.seed ?? 0);
    const { vocabSize, hiddenSize, contextLength, initializerRange: std } = config;
    this.tokenEmbedding = new Embedding(vocabSize, hiddenSize, init, std);
    if (config.architecture === 'gpt2') {
      this.positionEmbedding = new Embedding(contextLength, hiddenSize, init, std);
    } else {
      this.#ropeTable = keep(new Tensor(native.ropeTable(contextLength, config.headDim, config.ropeTheta)));
    }
    for (let i = 0; i < config.layers; ++i) this.blocks.push(new Block(config, init));
    this.finalNorm = makeNorm(config, init);
    this.head = config.tiedHead ? undefined : new Linear(hiddenSize, vocabSize, init, { std });
  }

  /** `[vocab, d]`: what turns hidden states into logits; the token table itself when tied. */
  get headWeight(): Tensor {
    return this.head?.weight ?? this.tokenEmbedding.weight;
  }

  /** Final hidden states `[n, d]`. With caches (one a layer), the tokens continue what is cached. */
  forward(input: GptInput, caches?: readonly LayerCache[]): Tensor {
    const { tokens, positions } = input;
    let x = embedding(
      tokens,
      this.tokenEmbedding.weight,
      positions,
      this.positionEmbedding?.weight,
      this.dtype,
    );
    let delta: Tensor | undefined;
    this.blocks.forEach((block, layer) => {
      const run = (from: Tensor, branch?: Tensor) => {
        const out = block.forward(from, branch, input, this.#ropeTable, caches?.[layer]);
        return [out.x, out.delta];
      };
      const inputs = delta ? [x, delta] : [x];
      [x, delta] = (this.checkpointActivations ? checkpoint(run, inputs) : run(x, delta)) as [Tensor, Tensor];
    });
    return this.finalNorm.forward(x, delta).y;
  }

  /**
   * f32 logits `[rows, vocab]` of hidden rows, all of them or those listed (i32 `[rows]`), to sample from: the numbers
   * that the losses see, bit for bit. They carry no gradient; train through loss().
   */
  logits(hidden: Tensor, rows?: Tensor): Tensor {
    const chosen = rows ? gatherRows(hidden, rows) : hidden;
    return new Tensor(native.linearLogits(chosen.handle, this.headWeight.handle));
  }

  /** Next-token cross-entropy; targets i32 `[n]`, -100 where there is none. */
  loss(input: GptInput, targets: Tensor, options?: CrossEntropyOptions): CrossEntropyResult {
    return linearCrossEntropy(this.forward(input), this.headWeight, targets, options);
  }

  override dispose(): void {
    super.dispose();
    this.#ropeTable?.dispose();
  }
}
