/**
 * Losses whose kernel computes the value and the gradients at once. The backward pass only
 * scales the gradients.
 */
import { native } from '../../native/addon.ts';
import type { NativeTensor } from '../../native/binding.ts';
import { record } from '../autograd.ts';
import { Tensor, tensor } from '../tensor.ts';

/** @param grads gradients of the inputs, in order; the loss owns them from now on */
export function scalarLoss(
  operation: string,
  value: number,
  inputs: readonly (Tensor | undefined)[],
  grads: readonly (Tensor | NativeTensor | undefined)[],
): Tensor {
  const loss = tensor([value]);
  const owned = grads.map((grad) => (grad && !(grad instanceof Tensor) ? new Tensor(grad) : grad));
  record(
    operation,
    inputs,
    [loss],
    ([dloss]) => {
      const factor = dloss!.item();
      return owned.map((grad) => {
        if (grad && factor !== 1) native.scaleInto(grad.handle, factor);
        return grad;
      });
    },
    true,
  );
  return loss;
}
