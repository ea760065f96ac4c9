/**
 * y = x W^T + b, and a feed-forward network of two layers with GELU as one operation, in which a
 * matrix product applies GELU or its derivative as it stores its result.
 */
import { native } from '../../native/addon.ts';
import { type Accumulate, needsGrad, record } from '../autograd.ts';
import { type Weight, withMatrix } from '../frozen-weight.ts';
import { Tensor } from '../tensor.ts';
import { type LowRank, lowRankBackward, lowRankForward } from './low-rank.ts';

/**
 * y = x weight^T + bias, and scale B (A x) of a LoRA adapter.
 * @param x `[n, in]` f32 or bf16
 * @param weight `[out, in]` f32, bf16 or frozen
 * @param bias f32 `[out]`
 * @param adapter its product is added to y
 * @returns `[n, out]` of the dtype of x
 */
export function linear(x: Tensor, weight: Weight, bias?: Tensor, adapter?: LowRank): Tensor {
  const added = adapter && lowRankForward(x, adapter);
  const [y] = product(x, weight, { bias, addend: added?.delta });
  added?.delta.dispose();
  record('linear', [x, trained(weight), bias, adapter?.a, adapter?.b], [y], ([dy], accumulate) => {
    const through = adapter && lowRankBackward(dy!, x, added!.narrow, adapter, accumulate, x.requiresGrad);
    weightGrad(dy!, x, weight, bias, accumulate);
    return [x.requiresGrad ? inputGrad(dy!, weight, undefined, through) : undefined];
  });
  return y;
}

/** The two layers of a feed-forward network, with a LoRA adapter for each if given. */
export interface FeedForwardWeights {
  /** `[hidden, in]` f32, bf16 or frozen */
  up: Weight;
  /** f32 `[hidden]` */
  upBias?: Tensor;
  upAdapter?: LowRank;
  /** `[out, hidden]` f32, bf16 or frozen */
  down: Weight;
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
  const inputs = [x, trained(up), upBias, trained(down), downBias, ...adapters];
  const trains = needsGrad(...inputs);
  const addedUp = upAdapter && lowRankForward(x, upAdapter);
  const addend = addedUp?.delta;
  const [hidden, preactivation] = product(x, up, { bias: upBias, addend, gelu: true, trains });
  addend?.dispose();
  const addedDown = downAdapter && lowRankForward(hidden, downAdapter);
  const [y] = product(hidden, down, { bias: downBias, addend: addedDown?.delta });
  addedDown?.delta.dispose();
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

/** The weight as an input of an operation: a frozen one has no gradient. */
function trained(weight: Weight): Tensor | undefined {
  return weight instanceof Tensor ? weight : undefined;
}

interface Product {
  bias: Tensor | undefined;
  addend: Tensor | undefined;
  /** Whether GELU is applied. */
  gelu?: boolean;
  /** Whether the value before the activation is kept for the backward pass. */
  trains?: boolean;
}

/** activation(x W^T + bias + addend), and the value before the activation if it was asked for. */
function product(
  x: Tensor,
  weight: Weight,
  { bias, addend, gelu = false, trains: savePreactivation = false }: Product,
): [Tensor, Tensor | undefined] {
  const [y, before] = withMatrix(weight, x.dtype, (matrix) =>
    native.linearForward({
      x: x.handle,
      weight: matrix.handle,
      bias: bias?.handle,
      activation: gelu ? 'gelu' : 'none',
      savePreactivation,
      addend: addend?.handle,
    }),
  );
  return [new Tensor(y), before && new Tensor(before)];
}

/** dy W + addend, multiplied by GELU'(preactivation) if there is one. */
function inputGrad(dy: Tensor, weight: Weight, preactivation?: Tensor, addend?: Tensor): Tensor {
  return withMatrix(
    weight,
    dy.dtype,
    (matrix) =>
      new Tensor(native.linearBackwardInput(dy.handle, matrix.handle, preactivation?.handle, addend?.handle)),
  );
}

function weightGrad(
  dy: Tensor,
  x: Tensor,
  weight: Weight,
  bias: Tensor | undefined,
  accumulate: Accumulate,
): void {
  const claimed = weight instanceof Tensor ? accumulate.claim(weight) : undefined;
  const dbias = accumulate(bias);
  if (claimed) {
    native.linearBackwardWeight(dy.handle, x.handle, claimed.grad.handle, dbias?.handle, claimed.fresh);
  } else if (dbias) {
    native.addScaledInto(dbias.handle, new Tensor(native.columnSum(dy.handle)).handle, 1);
  }
}
