/**
 * The trained part of a linear layer under LoRA (Hu et al., 2021): scale B (A x). The layers of
 * ops/linear.ts give it to the matrix product of the frozen weight as an addend, so there is no
 * further rounding. With B = 0 the layer has the same bits as without it.
 */
import { native } from '../../native/addon.ts';
import type { Accumulate } from '../autograd.ts';
import { Tensor } from '../tensor.ts';

/** A LoRA adapter of a weight `[out, in]`, to which it adds scale B A. */
export interface LowRank {
  /** f32 `[rank, in]` */
  a: Tensor;
  /** f32 `[out, rank]` */
  b: Tensor;
  scale: number;
}

export interface LowRankResult {
  /** `[n, rank]`: scale A x */
  narrow: Tensor;
  /** `[n, out]`: B narrow */
  delta: Tensor;
}

/** scale B (A x) of x `[n, in]`, in the dtype of x. */
export function lowRankForward(x: Tensor, { a, b, scale }: LowRank): LowRankResult {
  const narrow = product(x, a);
  native.scaleInto(narrow.handle, scale);
  return { narrow, delta: product(narrow, b) };
}

/** x W^T */
function product(x: Tensor, weight: Tensor): Tensor {
  const inputs = {
    x: x.handle,
    weight: weight.handle,
    activation: 'none',
    savePreactivation: false,
  } as const;
  return new Tensor(native.linearForward(inputs)[0]);
}

/**
 * Adds to the gradients of A and B. With `needsInput` it returns the gradient `[n, in]` that
 * reaches x through them.
 */
export function lowRankBackward(
  dy: Tensor,
  x: Tensor,
  narrow: Tensor,
  { a, b, scale }: LowRank,
  accumulate: Accumulate,
  needsInput: boolean,
): Tensor | undefined {
  const dnarrow = new Tensor(native.linearBackwardInput(dy.handle, b.handle, undefined));
  native.scaleInto(dnarrow.handle, scale);
  for (const [weight, dout, input] of [
    [b, dy, narrow],
    [a, dnarrow, x],
  ] as const) {
    const claimed = accumulate.claim(weight);
    if (!claimed) continue;
    const { grad, fresh } = claimed;
    native.linearBackwardWeight(dout.handle, input.handle, grad.handle, undefined, fresh);
  }
  if (!needsInput) return undefined;
  return new Tensor(native.linearBackwardInput(dnarrow.handle, a.handle, undefined));
}
