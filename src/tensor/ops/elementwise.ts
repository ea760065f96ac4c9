import { native } from '../../native/addon.ts';
import type { DType } from '../../native/binding.ts';
import { record } from '../autograd.ts';
import { full, Tensor, tensor } from '../tensor.ts';

/** a * alpha + b * beta for tensors of one shape and dtype, f32 or bf16. */
export function axpby(a: Tensor, alpha: number, b: Tensor, beta: number): Tensor {
  const out = new Tensor(native.axpby(a.handle, alpha, b.handle, beta), a.shape, a.dtype);
  record('axpby', [a, b], [out], ([dout]) => [scaled(dout!, alpha), scaled(dout!, beta)]);
  return out;
}

/** a + b for tensors of one shape and dtype. */
export function add(a: Tensor, b: Tensor): Tensor {
  return axpby(a, 1, b, 1);
}

/** a - b for tensors of one shape and dtype. */
export function sub(a: Tensor, b: Tensor): Tensor {
  return axpby(a, 1, b, -1);
}

/** a * b, elementwise, for tensors of one shape and dtype. */
export function mul(a: Tensor, b: Tensor): Tensor {
  const out = new Tensor(native.multiply(a.handle, b.handle), a.shape, a.dtype);
  record('mul', [a, b], [out], ([dout]) => [
    a.requiresGrad ? new Tensor(native.multiply(dout!.handle, b.handle)) : undefined,
    b.requiresGrad ? new Tensor(native.multiply(dout!.handle, a.handle)) : undefined,
  ]);
  return out;
}

/** a * factor, of the shape and dtype of a. */
export function scale(a: Tensor, factor: number): Tensor {
  const out = scaled(a, factor);
  record('scale', [a], [out], ([dout]) => [scaled(dout!, factor)]);
  return out;
}

/** Sum of all elements, f32 `[1]`. */
export function sum(a: Tensor): Tensor {
  const out = tensor([native.sum(a.handle)]);
  record('sum', [a], [out], ([dout]) => [full(a.shape, dout!.item(), a.dtype)]);
  return out;
}

/** Mean of all elements, f32 `[1]`. */
export function mean(a: Tensor): Tensor {
  return scale(sum(a), 1 / a.size);
}

/** Converts between f32 and bf16. The gradient is converted back. */
export function cast(a: Tensor, dtype: DType): Tensor {
  if (a.dtype === dtype) return a;
  const out = new Tensor(native.cast(a.handle, dtype), a.shape, dtype);
  record('cast', [a], [out], ([dout]) => [new Tensor(native.cast(dout!.handle, a.dtype), a.shape, a.dtype)]);
  return out;
}

function scaled(a: Tensor, factor: number): Tensor {
  return new Tensor(native.scale(a.handle, factor), a.shape, a.dtype);
}
