/** The blocks of a decoder, as a BlockSpec describes them: attention and a feed-forward network. */
import { swiglu } from '../tensor/ops/activation.ts';
import { causalSelfAttention, type SequenceIndex } from '../tensor/ops/attention.ts';
import { geluFeedForward } from '../tensor/ops/linear.ts';
import { queryKeyNorm } from '../tensor/ops/query-key-norm.ts';
import type { Tensor } from '../tensor/tensor.ts';
import type { BlockSpec, ModelConfig } from './config.ts';
import type { Initializer } from './init.ts';
import { LayerNorm, Linear, type Norm, RmsNorm } from './layers.ts';
import { Module } from './module.ts';

/** The arguments of the parts of one block. */
interface BlockParts {
  config: ModelConfig;
  spec: BlockSpec;
  init: Initializer;
  /** Initial standard deviation of the projections that add to the residual stream. */
  residualStd: number;
}

class Attention extends Module {
  readonly qkv: Linear;
  /** Norms of query and key heads: both or neither. */
  readonly queryNorm: RmsNorm | undefined;
  readonly keyNorm: RmsNorm | undefined;
  readonly output: Linear;
  readonly #config: ModelConfig;
  // Private, because it is not a parameter. The decoder owns it.
  readonly #ropeTable: Tensor | undefined;

  constructor({ config, spec, init, residualStd }: BlockParts, ropeTable: Tensor | undefined) {
    super();
    const { heads, kvHeads, headDim, hiddenSize, initializerRange: std } = config;
    this.#config = config;
    this.#ropeTable = ropeTable;
    this.qkv = new Linear(hiddenSize, (heads + 2 * kvHeads) * headDim, init, { bias: spec.qkvBias, std });
    if (spec.queryKeyNorm === 'per-head') {
      this.queryNorm = new RmsNorm(headDim, init, config.normEps);
      this.keyNorm = new RmsNorm(headDim, init, config.normEps);
    }
    this.output = new Linear(heads * headDim, hiddenSize, init, { bias: spec.outputBias, std: residualStd });
  }

  get ropeTable(): Tensor | undefined {
    return this.#ropeTable;
  }

  forward(x: Tensor, index: SequenceIndex): Tensor {
    const qkv = this.#normed(this.qkv.forward(x));
    return this.output.forward(causalSelfAttention(qkv, index, this.#config, this.#ropeTable));
  }

  #normed(qkv: Tensor): Tensor {
    if (!this.queryNorm || !this.keyNorm) return qkv;
    const { heads, kvHeads, normEps: eps } = this.#config;
    const [queryGain, keyGain] = [this.queryNorm.weight, this.keyNorm.weight];
    return queryKeyNorm(qkv, { queryGain, keyGain, heads, kvHeads, eps });
  }
}

class GeluMlp extends Module {
  readonly up: Linear;
  readonly down: Linear;

  constructor({ config, spec, init, residualStd }: BlockParts) {
    super();
    const { hiddenSize, intermediateSize, initializerRange: std } = config;
    this.up = new Linear(hiddenSize, intermediateSize, init, { bias: spec.mlpBias, std });
    this.down = new Linear(intermediateSize, hiddenSize, init, { bias: spec.mlpBias, std: residualStd });
  }

  get projections(): readonly [up: Linear, down: Linear] {
    return [this.up, this.down];
  }

  forward(x: Tensor): Tensor {
    return geluFeedForward(x, {
      up: this.up.weight,
      down: this.down.weight,
      ...(this.up.bias && { upBias: this.up.bias }),
      ...(this.down.bias && { downBias: this.down.bias }),
      ...(this.up.adapter && { upAdapter: this.up.adapter }),
      ...(this.down.adapter && { downAdapter: this.down.adapter }),
    });
  }
}

class SwigluMlp extends Module {
  readonly gateUp: Linear;
  readonly down: Linear;

  constructor({ config, spec, init, residualStd }: BlockParts) {
    super();
    const { hiddenSize, intermediateSize, initializerRange: std } = config;
    this.gateUp = new Linear(hiddenSize, 2 * intermediateSize, init, { bias: spec.mlpBias, std });
    this.down = new Linear(intermediateSize, hiddenSize, init, { bias: spec.mlpBias, std: residualStd });
  }

  get projections(): readonly [up: Linear, down: Linear] {
    return [this.gateUp, this.down];
  }

  forward(x: Tensor): Tensor {
    return this.down.forward(swiglu(this.gateUp.forward(x)));
  }
}

const mlps = { gelu: GeluMlp, swiglu: SwigluMlp } satisfies Record<BlockSpec['activation'], unknown>;

/**
 * Pre-norm block. The residual stream travels as (x, delta): the next norm adds delta as it reads.
 */
export class Block extends Module {
  readonly spec: BlockSpec;
  readonly attentionNorm: Norm;
  readonly attention: Attention;
  readonly mlpNorm: Norm;
  readonly mlp: GeluMlp | SwigluMlp;

  /**
   * @param ropeTable the table for the base that spec.rope names; without one nothing is rotated
   */
  constructor(config: ModelConfig, spec: BlockSpec, init: Initializer, ropeTable: Tensor | undefined) {
    super();
    // Each block adds two branches to the stream; dividing by sqrt(2 layers) keeps its variance at
    // depth (GPT-2 §2.3).
    const residualStd = config.initializerRange / Math.sqrt(2 * config.layers);
    const parts = { config, spec, init, residualStd };
    this.spec = spec;
    this.attentionNorm = makeNorm(config, init);
    this.attention = new Attention(parts, ropeTable);
    this.mlpNorm = makeNorm(config, init);
    this.mlp = new mlps[spec.activation](parts);
  }

  /** Whether any parameter of the block trains, adapters included. */
  get trains(): boolean {
    if (this.trainable().size > 0) return true;
    return this.projections.some(({ adapter }) => adapter);
  }

  /** The linear layers in the order of use. */
  get projections(): readonly [qkv: Linear, output: Linear, up: Linear, down: Linear] {
    const { qkv, output } = this.attention;
    return [qkv, output, ...this.mlp.projections];
  }

  /**
   * @param x `[n, d]`: the residual stream
   * @param delta `[n, d]`: the output of the block before, which is not yet added to x
   */
  forward(x: Tensor, delta: Tensor | undefined, index: SequenceIndex) {
    const first = this.attentionNorm.forward(x, delta);
    const attended = this.attention.forward(first.y, index);
    const second = this.mlpNorm.forward(first.sum, attended);
    return { x: second.sum, delta: this.mlp.forward(second.y) };
  }
}

const norms = { layer: LayerNorm, rms: RmsNorm } satisfies Record<ModelConfig['norm'], unknown>;

/** The norm of a model's kind over its hidden size. */
export function makeNorm({ norm, hiddenSize, normEps }: ModelConfig, init: Initializer): Norm {
  return new norms[norm](hiddenSize, init, normEps);
}
