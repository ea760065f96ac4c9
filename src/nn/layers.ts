/** The layers of models. Each holds parameters and calls one operation. */
import type { FrozenFormat } from '../native/binding/frozen.ts';
import type { DType } from '../native/binding.ts';
import { FrozenWeight, type Weight } from '../tensor/frozen-weight.ts';
import { embedding } from '../tensor/ops/embedding.ts';
import { linear } from '../tensor/ops/linear.ts';
import type { LowRank } from '../tensor/ops/low-rank.ts';
import { layerNorm, type NormResult, rmsNorm } from '../tensor/ops/norm.ts';
import type { Tensor } from '../tensor/tensor.ts';
import type { Initializer } from './init.ts';
import { Module } from './module.ts';

/** Bias and initial weights of a linear layer. */
export interface LinearOptions {
  /** Default false. */
  bias?: boolean;
  /** Standard deviation of the initial weights. Default 0.02. */
  std?: number;
  /** The dtype of the weight. Default: that of the initializer. */
  dtype?: DType;
}

/** How a projection keeps its weight. */
export interface ProjectionOptions extends LinearOptions {
  /** The form of a weight that does not train; undefined: it is a parameter. */
  frozen?: FrozenFormat | undefined;
}

/** A linear layer whose weight may be in int8 or NF4: y = x weight^T + bias. */
export class Projection extends Module {
  /** `[outFeatures, inFeatures]` */
  readonly weight: Weight;
  /** f32 `[outFeatures]` */
  readonly bias: Tensor | undefined;
  // Private, because the tensors of an adapter are not parameters of this layer.
  #adapter: LowRank | undefined;

  constructor(inFeatures: number, outFeatures: number, init: Initializer, options: ProjectionOptions = {}) {
    super();
    const weight = init.normal([outFeatures, inFeatures], options.std ?? 0.02, options.dtype);
    this.weight = options.frozen ? new FrozenWeight(weight, options.frozen) : weight;
    if (options.frozen) weight.dispose();
    this.bias = options.bias ? init.constant([outFeatures], 0) : undefined;
  }

  /** x `[n, inFeatures]` f32 or bf16 -> `[n, outFeatures]` of the same dtype, adapter included. */
  forward(x: Tensor): Tensor {
    return linear(x, this.weight, this.bias, this.#adapter);
  }

  /** The attached LoRA adapter, if there is one. */
  get adapter(): LowRank | undefined {
    return this.#adapter;
  }

  /**
   * From now on forward() adds the product of the adapter; undefined takes it off. The caller keeps
   * the tensors of the adapter.
   */
  attachAdapter(adapter: LowRank | undefined): void {
    this.#adapter = adapter;
  }
}

/** y = x weight^T + bias: `[n, inFeatures]` -> `[n, outFeatures]`. */
export class Linear extends Projection {
  /** `[outFeatures, inFeatures]` */
  declare readonly weight: Tensor;

  constructor(inFeatures: number, outFeatures: number, init: Initializer, options: LinearOptions = {}) {
    super(inFeatures, outFeatures, init, options);
  }
}

/** A table whose rows are looked up by id. */
export class Embedding extends Module {
  /** `[count, width]` */
  readonly weight: Tensor;

  constructor(count: number, width: number, init: Initializer, std = 0.02) {
    super();
    this.weight = init.normal([count, width], std);
  }

  /** i32 `[n]` -> `[n, width]` */
  forward(ids: Tensor, dtype: DType = 'f32'): Tensor {
    return embedding(ids, this.weight, undefined, undefined, dtype);
  }
}

/** Layer norm or RMS norm of x + delta, which also returns that sum. See tensor/ops/norm.ts. */
export interface Norm extends Module {
  readonly weight: Tensor;
  readonly bias?: Tensor;
  /** x and delta `[n, width]` -> y and sum `[n, width]`. */
  forward(x: Tensor, delta?: Tensor): NormResult;
}

/** Layer norm over the last dimension, with a gain and a bias `[width]`. */
export class LayerNorm extends Module implements Norm {
  readonly weight: Tensor;
  readonly bias: Tensor;
  readonly eps: number;

  constructor(width: number, init: Initializer, eps = 1e-5) {
    super();
    this.weight = init.constant([width], 1);
    this.bias = init.constant([width], 0);
    this.eps = eps;
  }

  forward(x: Tensor, delta?: Tensor): NormResult {
    return layerNorm(x, delta, this.weight, this.bias, this.eps);
  }
}

/** RMS norm over the last dimension, with a gain `[width]`, which is weight + offset. */
export class RmsNorm extends Module implements Norm {
  readonly weight: Tensor;
  readonly eps: number;
  readonly offset: number;

  constructor(width: number, init: Initializer, eps = 1e-5, offset = 0) {
    super();
    this.weight = init.constant([width], 1 - offset);
    this.eps = eps;
    this.offset = offset;
  }

  forward(x: Tensor, delta?: Tensor): NormResult {
    return rmsNorm(x, delta, this.weight, this.eps, this.offset);
  }
}
