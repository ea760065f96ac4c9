/**
 * Matrices that do not train, in int8 or NF4 (Dettmers et al., "QLoRA: efficient finetuning of
 * quantized LLMs", 2023). A product dequantizes its matrix first, to the dtype of activations, and
 * frees the result. native/kernels/frozen.h describes the formats.
 */
import { native } from '../native/addon.ts';
import type { FrozenFormat, FrozenMatrix } from '../native/binding/frozen.ts';
import type { DType } from '../native/binding.ts';
import { keep, scope, Tensor, tensor } from './tensor.ts';

/** A matrix `[outputs, inputs]` that takes part in products and has no gradient. */
export class FrozenWeight implements Disposable {
  /** `[outputs, inputs]` */
  readonly shape: readonly [outputs: number, inputs: number];
  readonly format: FrozenFormat;
  /** Gives the numbers from before they were quantized, where they can still be read. */
  original: (() => Float32Array) | undefined;
  readonly #codes: Tensor;
  readonly #scales: Tensor;

  /** @param weight `[outputs, inputs]`, f32 or bf16, of which this keeps a copy */
  constructor(weight: Tensor, format: FrozenFormat) {
    const [outputs = 0, inputs = 0] = weight.shape;
    this.shape = [outputs, inputs];
    this.format = format;
    const [codes, scales] = native.quantizeFrozen(weight.handle, format);
    this.#codes = keep(new Tensor(codes));
    this.#scales = keep(new Tensor(scales));
  }

  /** Number of elements of the matrix. */
  get size(): number {
    return this.shape[0] * this.shape[1];
  }

  /** Bytes in memory. */
  get bytes(): number {
    return this.#codes.size + 4 * this.#scales.size;
  }

  /** For operations of the engine. It shares the memory. */
  get matrix(): FrozenMatrix {
    const [outputs, inputs] = this.shape;
    const [codes, scales] = [this.#codes.handle, this.#scales.handle];
    return { codes, scales, format: this.format, outputs, inputs };
  }

  /** `[outputs, inputs]`, f32 or bf16, as products use it. The caller frees it. */
  dequantize(dtype: DType): Tensor {
    return new Tensor(native.dequantizeFrozen(this.matrix, dtype));
  }

  /** The numbers that products in f32 use. */
  toFloats(): Float32Array {
    return scope(() => this.dequantize('f32').toFloats());
  }

  /** Quantizes other numbers of the same shape. `original` is theirs no longer. */
  writeFloats(values: Float32Array): void {
    this.original = undefined;
    scope(() => {
      const quantized = native.quantizeFrozen(tensor(values, this.shape).handle, this.format);
      const [codes, scales] = quantized.map((handle) => new Tensor(handle));
      native.copyInto(this.#codes.handle, codes!.handle);
      native.copyInto(this.#scales.handle, scales!.handle);
    });
  }

  /** Takes over a matrix of the same shape and format. */
  copyFrom(other: FrozenWeight): void {
    native.copyInto(this.#codes.handle, other.#codes.handle);
    native.copyInto(this.#scales.handle, other.#scales.handle);
    this.original = other.original;
  }

  dispose(): void {
    this.#codes.dispose();
    this.#scales.dispose();
  }

  [Symbol.dispose](): void {
    this.dispose();
  }
}

/** The matrix of a linear layer. */
export type Weight = Tensor | FrozenWeight;

/** The numbers of a weight for a file: of a frozen one those from before, if they can be read. */
export function storedFloats(weight: Weight): Float32Array {
  return weight instanceof Tensor ? weight.toFloats() : (weight.original?.() ?? weight.toFloats());
}

/** Runs body on the matrix as one tensor; a frozen one is of `dtype` and exists meanwhile. */
export function withMatrix<T>(weight: Weight, dtype: DType, body: (matrix: Tensor) => T): T {
  if (weight instanceof Tensor) return body(weight);
  using matrix = weight.dequantize(dtype);
  return body(matrix);
}
