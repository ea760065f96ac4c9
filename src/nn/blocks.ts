/** The blocks of a decoder, as a BlockSpec describes them: attention and a feed-forward network. */

import type { FrozenFormat } from '../native/binding/frozen.ts';
import { geglu, geluErf, swiglu } from '../tensor/ops/activation.ts';
import { type AttentionShape, causalSelfAttention, type SequenceIndex } from '../tensor/ops/attention.ts';
import { add } from '../tensor/ops/elementwise.ts';
import { geluFeedForward } from '../tensor/ops/linear.ts';
import type { NormResult } from '../tensor/ops/norm.ts';
import { queryKeyNorm } from '../tensor/ops/query-key-norm.ts';
import type { Tensor } from '../tensor/tensor.ts';
import { type BlockSpec, isGated, type ModelConfig, normsOf, queryKeyNormWidths } from './config.ts';
import type { Initializer } from './init.ts';
import { LayerNorm, type Norm, Projection, RmsNorm } from './layers.ts';
import { Module } from './module.ts';

/** The arguments of the parts of one block. */
interface BlockParts {
  config: ModelConfig;
  spec: BlockSpec;
  init: Initializer;
  /** Initial standard deviation of the projections that add to the residual stream. */
  residualStd: number;
  /** The form of projections that do not train. */
  frozen: FrozenFormat | undefined;
}

class Attention extends Module {
  readonly qkv: Projection;
  /** Norms of queries and keys: both or neither. */
  readonly queryNorm: RmsNorm | undefined;
  readonly keyNorm: RmsNorm | undefined;
  readonly output: Projection;
  readonly #config: ModelConfig;
  readonly #shape: AttentionShape;
  // Private, because it is not a parameter. The decoder owns it.
  readonly #ropeTable: Tensor | undefined;

  constructor({ config, spec, init, residualStd, frozen }: BlockParts, ropeTable: Tensor | undefined) {
    super();
    const { heads, kvHeads, headDim, hiddenSize, initializerRange: std } = config;
    this.#config = config;
    const { attentionScale: scale, attentionSoftcap: softcap } = config;
    this.#shape = { heads, kvHeads, headDim, scale, softcap, window: spec.window };
    this.#ropeTable = ropeTable;
    const width = (heads + 2 * kvHeads) * headDim;
    this.qkv = new Projection(hiddenSize, width, init, { bias: spec.qkvBias, std, frozen });
    const widths = queryKeyNormWidths(config, spec.queryKeyNorm);
    if (widths) {
      this.queryNorm = new RmsNorm(widths.query, init, config.normEps, config.normOffset);
      this.keyNorm = new RmsNorm(widths.key, init, config.normEps, config.normOffset);
    }
    const output = { bias: spec.outputBias, std: residualStd, frozen };
    this.output = new Projection(heads * headDim, hiddenSize, init, output);
  }

  get ropeTable(): Tensor | undefined {
    return this.#ropeTable;
  }

  forward(x: Tensor, index: SequenceIndex): Tensor {
    const qkv = this.#normed(this.qkv.forward(x));
    return this.output.forward(causalSelfAttention(qkv, index, this.#shape, this.#ropeTable));
  }

  #normed(qkv: Tensor): Tensor {
    if (!this.queryNorm || !this.keyNorm) return qkv;
    const { heads, kvHeads, normEps: eps, normOffset: gainOffset } = this.#config;
    const [queryGain, keyGain] = [this.queryNorm.weight, this.keyNorm.weight];
    return queryKeyNorm(qkv, { queryGain, keyGain, heads, kvHeads, eps, gainOffset });
  }
}

class GeluMlp extends Module {
  readonly up: Projection;
  readonly down: Projection;

  constructor({ config, spec, init, residualStd, frozen }: BlockParts) {
    super();
    const { hiddenSize, intermediateSize, initializerRange: std } = config;
    const bias = spec.mlpBias;
    this.up = new Projection(hiddenSize, intermediateSize, init, { bias, std, frozen });
    this.down = new Projection(intermediateSize, hiddenSize, init, { bias, std: residualStd, frozen });
  }

  get projections(): readonly [up: Projection, down: Projection] {
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

class GeluErfMlp extends GeluMlp {
  override forward(x: Tensor): Tensor {
    return this.down.forward(geluErf(this.up.forward(x)));
  }
}

class GatedMlp extends Module {
  readonly gateUp: Projection;
  readonly down: Projection;
  readonly #gate: (gateUp: Tensor) => Tensor;

  constructor({ config, spec, init, residualStd, frozen }: BlockParts) {
    super();
    this.#gate = spec.activation === 'geglu' ? geglu : swiglu;
    const { hiddenSize, intermediateSize, initializerRange: std } = config;
    const bias = spec.mlpBias;
    this.gateUp = new Projection(hiddenSize, 2 * intermediateSize, init, { bias, std, frozen });
    this.down = new Projection(intermediateSize, hiddenSize, init, { bias, std: residualStd, frozen });
  }

  get projections(): readonly [up: Projection, down: Projection] {
    return [this.gateUp, this.down];
  }

  forward(x: Tensor): Tensor {
    return this.down.forward(this.#gate(this.gateUp.forward(x)));
  }
}

function makeMlp(parts: BlockParts): GeluMlp | GatedMlp {
  const { activation } = parts.spec;
  if (isGated(activation)) return new GatedMlp(parts);
  return activation === 'gelu' ? new GeluMlp(parts) : new GeluErfMlp(parts);
}

/** The residual stream travels as (x, delta): the next norm adds delta as it reads. */
export class Block extends Module {
  readonly spec: BlockSpec;
  /** Before attention and before the feed-forward network. */
  readonly attentionNorm: Norm | undefined;
  readonly attention: Attention;
  /** After attention. */
  readonly attentionOutputNorm: Norm | undefined;
  readonly mlpNorm: Norm | undefined;
  readonly mlp: GeluMlp | GatedMlp;
  /** After the feed-forward network. */
  readonly mlpOutputNorm: Norm | undefined;

  /**
   * @param ropeTable the table for the base that spec.rope names; without one nothing is rotated
   * @param frozen the form of projections that do not train
   */
  constructor(
    config: ModelConfig,
    spec: BlockSpec,
    init: Initializer,
    ropeTable: Tensor | undefined,
    frozen?: FrozenFormat,
  ) {
    super();
    // Each block adds two branches to the stream; dividing by sqrt(2 layers) keeps its variance at
    // depth (GPT-2 §2.3).
    const residualStd = config.initializerRange / Math.sqrt(2 * config.layers);
    const parts = { config, spec, init, residualStd, frozen };
    this.spec = spec;
    const { before, after } = normsOf(spec);
    this.attentionNorm = before ? makeNorm(config, init) : undefined;
    this.attention = new Attention(parts, ropeTable);
    this.attentionOutputNorm = after ? makeNorm(config, init) : undefined;
    this.mlpNorm = before ? makeNorm(config, init) : undefined;
    this.mlp = makeMlp(parts);
    this.mlpOutputNorm = after ? makeNorm(config, init) : undefined;
  }

  /** Whether any parameter of the block trains, adapters included. */
  get trains(): boolean {
    if (this.trainable().size > 0) return true;
    return this.projections.some(({ adapter }) => adapter);
  }

  /** The linear layers in the order of use. */
  get projections(): readonly [qkv: Projection, output: Projection, up: Projection, down: Projection] {
    const { qkv, output } = this.attention;
    return [qkv, output, ...this.mlp.projections];
  }

  /**
   * @param x `[n, d]`: the residual stream
   * @param delta `[n, d]`: the output of the block before, which is not yet added to x
   */
  forward(x: Tensor, delta: Tensor | undefined, index: SequenceIndex) {
    const first = read(this.attentionNorm, x, delta);
    const attended = after(this.attention.forward(first.y, index), this.attentionOutputNorm);
    if (this.spec.parallel) {
      const { y } = read(this.mlpNorm, first.sum);
      return { x: add(first.sum, attended), delta: after(this.mlp.forward(y), this.mlpOutputNorm) };
    }
    const second = read(this.mlpNorm, first.sum, attended);
    return { x: second.sum, delta: after(this.mlp.forward(second.y), this.mlpOutputNorm) };
  }
}

/** The input of a branch: the stream x + delta, through the norm if there is one. */
function read(norm: Norm | undefined, x: Tensor, delta?: Tensor): NormResult {
  if (norm) return norm.forward(x, delta);
  const sum = delta ? add(x, delta) : x;
  return { y: sum, sum };
}

/** The output of a branch, through the norm if there is one. */
function after(branch: Tensor, norm: Norm | undefined): Tensor {
  return norm ? norm.forward(branch).y : branch;
}

/** The norm of a model's kind over its hidden size. */
export function makeNorm({ norm, hiddenSize, normEps, normOffset }: ModelConfig, init: Initializer): Norm {
  if (norm === 'layer') return new LayerNorm(hiddenSize, init, normEps);
  return new RmsNorm(hiddenSize, init, normEps, normOffset);
}
