/** Losses whose kernel gives value and gradients at once: the backward pass only multiplies by what comes in. */
import { native } from '../../native/addon.ts';
import type { NativeTensor } from '../../native/binding.ts';
import { record } from '../autograd.ts';
import { Tensor, tensor } from '../tensor.ts';

/** @param grads of the inputs, in order; the tensor takes them over */
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
