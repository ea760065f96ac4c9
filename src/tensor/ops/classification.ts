/** The loss of a classifier with two classes. */

import { type Tensor, tensor } from '../tensor.ts';
import { scalarLoss } from './scalar-loss.ts';

/**
 * Binary cross-entropy of logits: scale times the sum of `-log sigmoid(logit)` for true labels and
 * `-log sigmoid(-logit)` for false ones. It is computed in double precision without overflow, on
 * the host: there is one logit per sequence. Differentiable in logits.
 * @param logits f32 `[m]`
 * @param labels of `[m]`
 * @returns loss f32 `[1]`, and in `probabilities` f64 `[m]` the sigmoid of each logit
 */
export function binaryCrossEntropy(
  logits: Tensor,
  labels: readonly boolean[],
  scale = 1,
): { loss: Tensor; probabilities: Float64Array } {
  const values = logits.toFloats();
  const probabilities = Float64Array.from(values, sigmoid);
  const gradient = new Float32Array(values.length);
  let total = 0;
  values.forEach((logit, i) => {
    const isTrue = labels[i]!;
    total += softplus(isTrue ? -logit : logit);
    gradient[i] = scale * (probabilities[i]! - (isTrue ? 1 : 0));
  });
  const loss = scalarLoss('binaryCrossEntropy', scale * total, [logits], [tensor(gradient)]);
  return { loss, probabilities };
}

/** 1 / (1 + exp(-x)), without overflow. */
export function sigmoid(x: number): number {
  if (x >= 0) return 1 / (1 + Math.exp(-x));
  const small = Math.exp(x);
  return small / (1 + small);
}

/** log(1 + exp(x)), without overflow. */
function softplus(x: number): number {
  return Math.max(0, x) + Math.log1p(Math.exp(-Math.abs(x)));
}
