/** Losses over the vocabulary that never hold the whole `[n, vocab]` logits: the head's GEMM is part of the operation. */
import { native } from '../../native/addon.ts';
import { needsGrad, record } from '../autograd.ts';
import { Tensor, tensor } from '../tensor.ts';

export interface CrossEntropyOptions {
  /** f32 `[n]`: weight of each token's loss; 1 for all when left out. */
  tokenWeights?: Tensor;
  /** Factor on the sum. 1 / (tokens of the whole batch) gives a mean that accumulation does not change. Default 1. */
  scale?: number;
}

export interface CrossEntropyResult {
  /** f32 `[1]`: scale * sum of weight * negative log-likelihood. */
  loss: Tensor;
  /** f32 `[n]`: negative log-likelihood of each target in nats, 0 where it is ignored. */
  losses: Tensor;
}

/**
 * Cross-entropy of softmax(hidden weight^T) against the targets.
 * @param hidden `[n, d]`; @param weight f32 `[vocab, d]`; @param targets i32 `[n]`, -100 to ignore
 */
export function linearCrossEntropy(
  hidden: Tensor,
  weight: Tensor,
  targets: Tensor,
  options: CrossEntropyOptions = {},
): CrossEntropyResult {
  const trains = needsGrad(hidden, weight);
  const [lossesHandle, lossValue, dhiddenHandle, dweightHandle] = native.linearCrossEntropy(
    hidden.handle,
    weight.handle,
    targets.handle,
    options.tokenWeights?.handle,
    options.scale ?? 1,
    trains,
    !weight.requiresGrad,
  );
  const losses = new Tensor(lossesHandle);
  const loss = tensor([lossValue]);
  const dhidden = dhiddenHandle && new Tensor(dhiddenHandle);
  const dweight = dweightHandle && new Tensor(dweightHandle);
  record(
    'linearCrossEntropy',
    [hidden, weight],
    [loss],
    ([dloss]) => {
      const factor = dloss!.item();
      return [dhidden, dweight].map((grad) => {
        if (grad && factor !== 1) native.scaleInto(grad.handle, factor);
        return grad;
      });
    },
    true,
  );
  return { loss, losses };
}
