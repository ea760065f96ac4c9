/**
 * Initial weights, in the dtype in which the model keeps them. Each parameter that is drawn at
 * random has its own Philox stream: the n-th one of a model has stream n.
 */
import { native } from '../native/addon.ts';
import type { DType } from '../native/binding.ts';
import { empty, full, parameter, type Shape, Tensor } from '../tensor/tensor.ts';

/** Makes the initial parameters of one model. */
export class Initializer {
  readonly #seed: number;
  readonly #matrices: DType;
  #stream = 0;

  /** @param matrices the dtype that normal() gives; all other parameters are f32 */
  constructor(seed: number, matrices: DType = 'f32') {
    this.#seed = seed;
    this.#matrices = matrices;
  }

  /** N(0, std^2), drawn in f32 and then rounded to `dtype`. */
  normal(shape: Shape, std: number, dtype: DType = this.#matrices): Tensor {
    const out = empty(shape);
    native.normalInto(out.handle, 0, std, this.#seed, this.#stream);
    this.#stream += 1;
    if (dtype === 'f32') return parameter(out);
    const narrow = new Tensor(native.cast(out.handle, dtype));
    out.dispose();
    return parameter(narrow);
  }

  /** U(-bound, bound). */
  uniform(shape: Shape, bound: number): Tensor {
    const out = empty(shape);
    native.uniformInto(out.handle, -bound, bound, this.#seed, this.#stream);
    this.#stream += 1;
    return parameter(out);
  }

  /** A parameter whose elements all have one value. */
  constant(shape: Shape, value: number): Tensor {
    return parameter(full(shape, value));
  }
}
