/**
 * y = x W^T + b, and a feed-forward network of two layers with GELU as one operation, in which a
 * matrix product applies GELU or its derivative as it stores its result.
 */
import { native } from '../../native/addon.ts';
import { type Accumulate, needsGrad, record } from '../autograd.ts';
import { Tensor } from '../tensor.ts';
import { type LowRank, lowRankBackward, lowRankForward } from './low-rank.ts';

/**
 * y = x weight^T + bias, and scale B (A x) of a LoRA adapter.
 * @param x `[n, in]` f32 or bf16
 * @param weight `[out, in]` f32 or bf16
 * @param bias f32 `[out]`
 * @param adapter its product is added to y
 * @returns `[n, out]` of the dtype of x
 */
export function linear(x: Tensor, weight: Tensor, bias?: Tensor, adapter?: LowRank): Tensor {
  const added = adapter && lowRankForward(x, adapter);
  const [handle] = native.linearForward({
    x: x.handle,
    weight: weight.handle,
    bias: bias?.handle,
    activation: 'none',
    savePreactivation: false,
    addend: added?.delta.handle,
  });
  added?.delta.dispose();
  const y = new Tensor(handle);
  record('linear', [x, weight, bias, adapter?.a, adapter?.b], [y], ([dy], accumulate) => {
    const through = adapter && lowRankBackward(dy!, x, added!.narrow, adapter, accumulate, x.requiresGrad);
    weightGrad(dy!, x, weight, bias, accumulate);
    return [x.requiresGrad ? inputGrad(dy!, weight, undefined, through) : undefined];
  });
  return y;
}

/** The two layers of a feed-forward network, with a LoRA adapter for each if given. */
export interface FeedForwardWeights {
  /** `[hidden, in]` f32 or bf16 */
  up: Tensor;
  /** f32 `[hidden]` */
  upBias?: Tensor;
  upAdapter?: LowRank;
  /** `[out, hidden]` f32 or bf16 */
  down: Tensor;
  /** f32 `[out]` */
  downBias?: Tensor;
  downAdapter?: LowRank;
}

/**
 * down(GELU(up(x))), with GELU in its tanh form (Hendrycks and Gimpel, 2016).
 * @param x `[n, in]` f32 or bf16
 * @returns `[n, out]` of the dtype of x
 */
export function geluFeedForward(x: Tensor, weights: FeedForwardWeights): Tensor {
  const { up, upBias, upAdapter, down, downBias, downAdapter } = weights;
  const adapters = [upAdapter?.a, upAdapter?.b, downAdapter?.a, downAdapter?.b];
  const inputs = [x, up, upBias, down, downBias, ...adapters];
  const trains = needsGrad(...inputs);
  const addedUp = upAdapter && lowRankForward(x, upAdapter);
  const [hiddenHandle, before] = native.linearForward({
    x: x.handle,
    weight: up.handle,
    bias: upBias?.handle,
    activation: 'gelu',
    savePreactivation: trains,
    addend: addedUp?.delta.handle,
  });
  addedUp?.delta.dispose();
  const hidden = new Tensor(hiddenHandle);
  const preactivation = before && new Tensor(before);
  const addedDown = downAdapter && lowRankForward(hidden, downAdapter);
  const [handle] = native.linearForward({
    x: hidden.handle,
    weight: down.handle,
    bias: downBias?.handle,
    activation: 'none',
    savePreactivation: false,
    addend: addedDown?.delta.handle,
  });
  addedDown?.delta.dispose();
  const y = new Tensor(handle);
  record('geluFeedForward', inputs, [y], ([dy], accumulate) => {
    const throughDown =
      downAdapter && lowRankBackward(dy!, hidden, addedDown!.narrow, downAdapter, accumulate, true);
    const dup = inputGrad(dy!, down, preactivation, throughDown);
    const throughUp =
      upAdapter && lowRankBackward(dup, x, addedUp!.narrow, upAdapter, accumulate, x.requiresGrad);
    weightGrad(dy!, hidden, down, downBias, accumulate);
    weightGrad(dup, x, up, upBias, accumulate);
    return [x.requiresGrad ? inputGrad(dup, up, undefined, throughUp) : undefined];
  });
  return y;
}

/** dy W + addend, multiplied by GELU'(preactivation) if there is one. */
function inputGrad(dy: Tensor, weight: Tensor, preactivation?: Tensor, addend?: Tensor): Tensor {
  return new Tensor(
    native.linearBackwardInput(dy.handle, weight.handle, preactivation?.handle, addend?.handle),
  );
}

function weightGrad(
  dy: Tensor,
  x: Tensor,
  weight: Tensor,
  bias: Tensor | undefined,
  accumulate: Accumulate,
): void {
  const claimed = accumulate.claim(weight);
  const dbias = accumulate(bias);
  if (claimed) {
    native.linearBackwardWeight(dy.handle, x.handle, claimed.grad.handle, dbias?.handle, claimed.fresh);
  } else if (dbias) {
    native.addScaledInto(dbias.handle, new Tensor(native.columnSum(dy.handle)).handle, 1);
  }
}
