import { native } from '../../native/addon.ts';
import type { NativeTensor } from '../../native/binding.ts';
import { record } from '../autograd.ts';
import { Tensor } from '../tensor.ts';

/**
 * SwiGLU (Shazeer, "GLU variants improve transformer", 2020): silu(gate) * up.
 * @param gateUp `[n, 2 f]`, the gate columns first
 * @returns `[n, f]`
 */
export function swiglu(gateUp: Tensor): Tensor {
  return unary('swiglu', gateUp, native.swigluForward, native.swigluBackward);
}

/**
 * GeGLU (Shazeer, 2020): GELU, in its tanh form, of gate, times up.
 * @param gateUp `[n, 2 f]`, the gate columns first
 * @returns `[n, f]`
 */
export function geglu(gateUp: Tensor): Tensor {
  return unary('geglu', gateUp, native.gegluForward, native.gegluBackward);
}

/** x times the cumulative function of the normal distribution: GELU itself. Any shape. */
export function geluErf(x: Tensor): Tensor {
  return unary('geluErf', x, native.geluErfForward, native.geluErfBackward);
}

/** GELU in its tanh form (Hendrycks and Gimpel, 2016), as in GPT-2. Any shape. */
export function gelu(x: Tensor): Tensor {
  return unary('gelu', x, native.geluForward, native.geluBackward);
}

/** max(x, 0). Any shape. */
export function relu(x: Tensor): Tensor {
  const y = new Tensor(native.reluForward(x.handle));
  record('relu', [x], [y], ([dy]) => [new Tensor(native.reluBackward(dy!.handle, y.handle))]);
  return y;
}

/** An operation of one input and one output. `backward` takes (dy, x) and gives dx. */
function unary(
  operation: string,
  x: Tensor,
  forward: (x: NativeTensor) => NativeTensor,
  backward: (dy: NativeTensor, x: NativeTensor) => NativeTensor,
): Tensor {
  const y = new Tensor(forward(x.handle));
  record(operation, [x], [y], ([dy]) => [new Tensor(backward(dy!.handle, x.handle))]);
  return y;
}
