/**
 * Initial weights. Each parameter draws from its own Philox stream, so the values depend on (seed, parameter) and not
 * on the order in which modules are built.
 */
import { native } from '../native/addon.ts';
import { empty, full, parameter, type Shape, type Tensor } from '../tensor/tensor.ts';

export class Initializer {
  readonly #seed: number;
  #stream = 0;

  constructor(seed: number) {
    this.#seed = seed;
  }

  /** N(0, std^2). */
  normal(shape: Shape, std: number): Tensor {
    const out = empty(shape);
    native.normalInto(out.handle, 0, std, this.#seed, this.#stream);
    this.#stream += 1;
    return parameter(out);
  }

  /** U(-bound, bound). */
  uniform(shape: Shape, bound: number): Tensor {
    const out = empty(shape);
    native.uniformInto(out.handle, -bound, bound, this.#seed, this.#stream);
    this.#stream += 1;
    return parameter(out);
  }

  constant(shape: Shape, value: number): Tensor {
    return parameter(full(shape, value));
  }
}
