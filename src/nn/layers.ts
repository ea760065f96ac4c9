/** The layers that models are made of; each holds parameters and calls one operation. */
import type { DType } from '../native/binding.ts';
import { embedding } from '../tensor/ops/embedding.ts';
import { linear } from '../tensor/ops/linear.ts';
import type { LowRank } from '../tensor/ops/low-rank.ts';
import { layerNorm, type NormResult, rmsNorm } from '../tensor/ops/norm.ts';
import type { Tensor } from '../tensor/tensor.ts';
import type { Initializer } from './init.ts';
import { Module } from './module.ts';

export interface LinearOptions {
  bias?: boolean;
  /** Standard deviation of the initial weights. */
  std?: number;
  /** The dtype of the weight, where it is not the initializer's. */
  dtype?: DType;
}

/** `[n, inFeatures]` -> `[n, outFeatures]`. */
export class Linear extends Module {
  /** `[outFeatures, inFeatures]` */
  readonly weight: Tensor;
  readonly bias: Tensor | undefined;
  // Private, because an adapter's tensors are no parameters of this layer.
  #adapter: LowRank | undefined;

  constructor(inFeatures: number, outFeatures: number, init: Initializer, options: LinearOptions = {}) {
    super();
    this.weight = init.normal([outFeatures, inFeatures], options.std ?? 0.02, options.dtype);
    this.bias = options.bias ? init.constant([outFeatures], 0) : undefined;
  }

  forward(x: Tensor): Tensor {
    return linear(x, this.weight, this.bias, this.#adapter);
  }

  get adapter(): LowRank | undefined {
    return this.#adapter;
  }

  /**
   * From now on forward() adds the adapter's product; undefined takes it off. The caller keeps its
   * tensors.
   */
  attachAdapter(adapter: LowRank | undefined): void {
    this.#adapter = adapter;
  }
}

/** Rows of a table by id. */
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

/** Layer norm or RMS norm of x + delta, which also returns the sum: see tensor/ops/norm.ts. */
export interface Norm extends Module {
  readonly weight: Tensor;
  readonly bias?: Tensor;
  forward(x: Tensor, delta?: Tensor): NormResult;
}

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

export class RmsNorm extends Module implements Norm {
  readonly weight: Tensor;
  readonly eps: number;

  constructor(width: number, init: Initializer, eps = 1e-5) {
    super();
    this.weight = init.constant([width], 1);
    this.eps = eps;
  }

  forward(x: Tensor, delta?: Tensor): NormResult {
    return rmsNorm(x, delta, this.weight, this.eps);
  }
}
