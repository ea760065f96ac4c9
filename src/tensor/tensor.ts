/**
 * A tensor is a handle on native memory. Do not leave it to the garbage collector, which comes
 * late: some hundred megabytes gather first. Make tensors inside scope() instead: at its end it
 * frees all tensors except those that it returns and those that were kept. dispose() frees one.
 */

import { AthanorError } from '../base/errors.ts';
import { native } from '../native/addon.ts';
import type { DType, NativeTensor, TypedArray } from '../native/binding.ts';
import type { GradNode } from './autograd.ts';

/** The sizes of the dimensions, outermost first. Tensors are contiguous. */
export type Shape = readonly number[];

/**
 * The tensors of the open scopes, innermost last. A thread has one call stack, so it has one list
 * of open scopes.
 */
const openScopes: Set<Tensor>[] = [];

/**
 * Provides the memory of a leaf's gradient, such as a part of a buffer that all ranks sum at once.
 */
export interface GradMemory {
  /** Uninitialised f32 memory of the leaf's shape; undefined while the last one is in use. */
  take(): Tensor | undefined;
}

/** Holds the elements of tensors that are not always in this process as a whole. */
export interface Residence {
  /** The tensor in the engine, with all elements. Throws ERR_STATE when they cannot be read. */
  handleOf(tensor: Tensor): NativeTensor;
}

/**
 * An array of numbers of one dtype on the current device, and its place in the graph of
 * the backward pass.
 */
export class Tensor implements Disposable {
  #handle: NativeTensor;
  #residence: Residence | undefined;
  /** Whether backward() computes a gradient. parameter() sets it, and outputs inherit it. */
  requiresGrad = false;
  /** On a leaf: the accumulated gradient, f32, of the same shape. */
  grad: Tensor | undefined;
  /** On a leaf: gives the memory for its gradient. Default: new memory. */
  gradMemory: GradMemory | undefined;
  /** On an operation's output: the node that computes the gradients of the operation's inputs. */
  node: GradNode | undefined;
  /** Which output of the node this is. */
  outputIndex = 0;
  #disposed = false;
  // Asked from the engine on demand: nobody reads the shapes of most tensors of a decoding step.
  #shape: Shape | undefined;
  #dtype: DType | undefined;

  constructor(handle: NativeTensor, shape?: Shape, dtype?: DType) {
    this.#handle = handle;
    this.#shape = shape;
    this.#dtype = dtype;
    const owner = openScopes.at(-1);
    if (owner) owner.add(this);
    else native.account(handle);
  }

  /** The tensor in the engine. */
  get handle(): NativeTensor {
    return this.#residence ? this.#residence.handleOf(this) : this.#handle;
  }

  /** Whether the elements are somewhere else, so that `handle` does not stay the same. */
  get isMoved(): boolean {
    return this.#residence !== undefined;
  }

  /** Frees the elements. From now on they come from the residence. */
  moveTo(residence: Residence): void {
    this.#shape = this.shape;
    this.#dtype = this.dtype;
    this.#handle.dispose();
    this.#residence = residence;
  }

  /** Ends moveTo(): the elements are those of `handle`, which belongs to the tensor. */
  moveBack(handle: NativeTensor): void {
    this.#residence = undefined;
    this.#handle = handle;
    native.account(handle);
  }

  get shape(): Shape {
    this.#shape ??= native.shapeOf(this.handle);
    return this.#shape;
  }

  get dtype(): DType {
    this.#dtype ??= native.dtypeOf(this.handle);
    return this.#dtype;
  }

  /** Number of elements. */
  get size(): number {
    return this.shape.reduce((product, dim) => product * dim, 1);
  }

  /** Whether dispose() was called. */
  get disposed(): boolean {
    return this.#disposed;
  }

  /**
   * Frees the memory now. Memory that tensors share is freed with the last of them. A second
   * call does nothing.
   */
  dispose(): void {
    if (this.#disposed) return;
    this.#disposed = true;
    this.node = undefined;
    this.grad?.dispose();
    this.grad = undefined;
    this.#handle.dispose();
  }

  [Symbol.dispose](): void {
    this.dispose();
  }

  /** A copy of the elements. Those of bf16 are their raw 16 bits; see toFloats for numbers. */
  read(): TypedArray {
    return native.read(this.handle);
  }

  /**
   * A copy of the elements of an f32 or bf16 tensor as numbers. Throws ERR_DTYPE for other dtypes.
   */
  toFloats(): Float32Array {
    if (this.dtype === 'f32') return native.read(this.handle) as Float32Array;
    const wide = native.cast(this.handle, 'f32');
    try {
      return native.read(wide) as Float32Array;
    } finally {
      wide.dispose();
    }
  }

  /** A copy of the elements of an i32 tensor. Throws ERR_DTYPE for other dtypes. */
  toInts(): Int32Array {
    if (this.dtype !== 'i32')
      throw new AthanorError('ERR_DTYPE', `[toInts] expected i32 but this is ${this.dtype}`);
    return native.read(this.handle) as Int32Array;
  }

  /** The value of a tensor of one element. Throws ERR_SHAPE for any other size. */
  item(): number {
    if (this.size !== 1) {
      throw new AthanorError(
        'ERR_SHAPE',
        `[item] expected one element but the shape is [${this.shape.join(', ')}]`,
      );
    }
    return this.dtype === 'i32' ? this.toInts()[0]! : this.toFloats()[0]!;
  }

  /**
   * Overwrites the elements. `values` must have the type of the dtype (Uint16Array for bf16) and
   * the size of the tensor.
   */
  write(values: TypedArray): void {
    native.write(this.handle, values);
  }

  /** Overwrites the elements of an f32 or bf16 tensor with numbers, rounded to the nearest. */
  writeFloats(values: Float32Array): void {
    if (this.dtype === 'f32') {
      this.write(values);
      return;
    }
    scope(() => {
      const wide = tensor(values, this.shape);
      native.copyInto(this.handle, new Tensor(native.cast(wide.handle, this.dtype)).handle);
    });
  }

  /** A tensor on the same memory that no gradient passes through. */
  detach(): Tensor {
    return new Tensor(native.view(this.handle, this.shape), this.shape, this.dtype);
  }
}

/** A tensor with uninitialised elements. */
export function empty(shape: Shape, dtype: DType = 'f32'): Tensor {
  return new Tensor(native.empty(shape, dtype), [...shape], dtype);
}

/** A tensor whose elements all have one value. */
export function full(shape: Shape, value: number, dtype: DType = 'f32'): Tensor {
  return new Tensor(native.full(shape, dtype, value), [...shape], dtype);
}

/** A tensor of zeros. */
export function zeros(shape: Shape, dtype: DType = 'f32'): Tensor {
  return full(shape, 0, dtype);
}

/**
 * Copies numbers into a new tensor. By default its shape is `[length]` and its dtype follows from
 * the array: Float32Array f32, Int32Array i32, Uint8Array u8, Uint16Array bf16 (raw bits), a
 * plain array f32.
 */
export function tensor(values: TypedArray | readonly number[], shape?: Shape, dtype?: DType): Tensor {
  const array = Array.isArray(values) ? Float32Array.from(values) : (values as TypedArray);
  const type = dtype ?? dtypeOfArray(array);
  const out = empty(shape ?? [array.length], type);
  out.write(array);
  return out;
}

/** By the name of the class, since a test runner may have classes of the language of its own. */
function dtypeOfArray(array: TypedArray): DType {
  return arrayDtypes[array[Symbol.toStringTag]];
}

const arrayDtypes = {
  Float32Array: 'f32',
  Int32Array: 'i32',
  Uint8Array: 'u8',
  Uint16Array: 'bf16',
} as const;

/** Marks a tensor as a parameter to train, and takes it out of every open scope. */
export function parameter(value: Tensor): Tensor {
  value.requiresGrad = true;
  return keep(value);
}

/** Takes a tensor out of every open scope. From now on its owner must dispose of it. */
export function keep(value: Tensor): Tensor {
  for (const scopeTensors of openScopes) scopeTensors.delete(value);
  native.account(value.handle);
  return value;
}

/**
 * Runs body and frees every tensor that is made inside, except those in its result: a tensor, or
 * arrays, maps and plain objects of tensors. These belong to the enclosing scope from then on. An
 * exception frees all of them. Throws ERR_ARGUMENT when body returns a promise.
 */
export function scope<T>(body: () => T): T {
  const mine = new Set<Tensor>();
  openScopes.push(mine);
  let result: T | undefined;
  try {
    result = body();
    if (result instanceof Promise) {
      throw new AthanorError(
        'ERR_ARGUMENT',
        '[scope] expected a synchronous function',
        'await outside of the scope',
      );
    }
    return result;
  } finally {
    openScopes.pop();
    const survivors = new Set<Tensor>();
    collect(result, survivors);
    const outer = openScopes.at(-1);
    for (const made of mine) {
      if (!survivors.has(made)) made.dispose();
      else if (outer) outer.add(made);
      else if (!made.disposed) native.account(made.handle);
    }
  }
}

/** Runs body as if no scope were open: tensors that it makes outlive the scopes around the call. */
export function outsideScopes<T>(body: () => T): T {
  const open = openScopes.splice(0);
  try {
    return body();
  } finally {
    openScopes.push(...open);
  }
}

function collect(value: unknown, into: Set<Tensor>): void {
  if (value instanceof Tensor) into.add(value);
  else if (Array.isArray(value)) for (const item of value) collect(item, into);
  else if (value instanceof Map) for (const item of value.values()) collect(item, into);
  else if (value !== null && typeof value === 'object' && Object.getPrototypeOf(value) === Object.prototype) {
    for (const item of Object.values(value)) collect(item, into);
  }
}
