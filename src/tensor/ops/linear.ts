/** y = x W^T + b, and the two-layer GELU network as one operation so that GELU' rides on a GEMM's store. */
import { native } from '../../native/addon.ts';
import { type Accumulate, needsGrad, record } from '../autograd.ts';
import { Tensor } from '../tensor.ts';

const NO_ACTIVATION = 0;
const GELU = 1;

/**
 * @param x `[n, in]` f32 or bf16
 * @param weight `[out, in]` f32
 * @param bias `[out]` f32
 * @returns `[n, out]` of x's dtype
 */
export function linear(x: Tensor, weight: Tensor, bias?: Tensor): Tensor {
  const [handle] = native.linearForward(x.handle, weight.handle, bias?.handle, NO_ACTIVATION, false);
  const y = new Tensor(handle);
  record('linear', [x, weight, bias], [y], ([dy], accumulate) => {
    const dx = x.requiresGrad
      ? new Tensor(native.linearBackwardInput(dy!.handle, weight.handle, undefined))
      : undefined;
    weightGrad(dy!, x, weight, bias, accumulate);
    return [dx];
  });
  return y;
}

export interface FeedForwardWeights {
  /** `[hidden, in]` */
  up: Tensor;
  upBias?: Tensor;
  /** `[out, hidden]` */
  down: Tensor;
  downBias?: Tensor;
}

/** down(GELU(up(x))), GELU in its tanh form (Hendrycks and Gimpel, 2016). `[n, in]` -> `[n, out]`. */
export function geluFeedForward(x: Tensor, weights: FeedForwardWeights): Tensor {
  const { up, upBias, down, downBias } = weights;
  const trains = needsGrad(x, up, upBias, down, downBias);
  const [hiddenHandle, before] = native.linearForward(x.handle, up.handle, upBias?.handle, GELU, trains);
  const hidden = new Tensor(hiddenHandle);
  const preactivation = before && new Tensor(before);
  const [handle] = native.linearForward(hidden.handle, down.handle, downBias?.handle, NO_ACTIVATION, false);
  const y = new Tensor(handle);
  record('geluFeedForward', [x, up, upBias, down, downBias], [y], ([dy], accumulate) => {
    const dup = new Tensor(native.linearBackwardInput(dy!.handle, down.handle, preactivation!.handle));
    weightGrad(dy!, hidden, down, downBias, accumulate);
    weightGrad(dup, x, up, upBias, accumulate);
    return [
      x.requiresGrad ? new Tensor(native.linearBackwardInput(dup.handle, up.handle, undefined)) : undefined,
    ];
  });
  return y;
}

function weightGrad(
  dy: Tensor,
  x: Tensor,
  weight: Tensor,
  bias: Tensor | undefined,
  accumulate: Accumulate,
): void {
  const claimed = accumulate.claim(weight);
  if (!claimed) return;
  const dbias = accumulate(bias)?.handle;
  native.linearBackwardWeight(dy.handle, x.handle, claimed.grad.handle, dbias, claimed.fresh);
}
