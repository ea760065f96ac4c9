/** Losses over the vocabulary that never hold the whole `[n, vocab]` logits: the head's GEMM is part of the operation. */
import { native } from '../../native/addon.ts';
import { needsGrad, record } from '../autograd.ts';
import { Tensor, zeros } from '../tensor.ts';
import { scalarLoss } from './scalar-loss.ts';

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
 * @param hidden `[n, d]`; @param weight `[vocab, d]` f32 or bf16; @param targets i32 `[n]`, -100 to ignore
 */
export function linearCrossEntropy(
  hidden: Tensor,
  weight: Tensor,
  targets: Tensor,
  options: CrossEntropyOptions = {},
): CrossEntropyResult {
  const trains = needsGrad(hidden, weight);
  const memory = trains && weight.requiresGrad ? weight.gradMemory?.take() : undefined;
  const [lossesHandle, lossValue, dhiddenHandle, dweightHandle] = native.linearCrossEntropy({
    x: hidden.handle,
    weight: weight.handle,
    targets: targets.handle,
    tokenWeights: options.tokenWeights?.handle,
    scale: options.scale ?? 1,
    needGradient: trains,
    weightFrozen: !weight.requiresGrad,
    dweightMemory: memory?.handle,
  });
  const losses = new Tensor(lossesHandle);
  if (memory) dweightHandle!.dispose();
  const dweight = memory ?? dweightHandle;
  const loss = scalarLoss('linearCrossEntropy', lossValue, [hidden, weight], [dhiddenHandle, dweight]);
  return { loss, losses };
}

export interface LogProbResult {
  /** f32 `[n]`: log-probability of each target in nats, 0 where it is ignored. */
  logProbs: Tensor;
  /** f32 `[n]`: entropy of each row's distribution in nats. */
  entropies: Tensor;
}

/**
 * log softmax(hidden weight^T / temperature)[target] and that distribution's entropy, in f32 whatever the dtype of hidden:
 * for one hidden row the same bits as what sampling reports. Differentiable in both.
 * @param hidden `[n, d]`; @param weight `[vocab, d]` f32 or bf16; @param targets i32 `[n]`, -100 to ignore
 */
export function linearLogProb(
  hidden: Tensor,
  weight: Tensor,
  targets: Tensor,
  temperature = 1,
): LogProbResult {
  const [logProbsHandle, entropiesHandle] = native.linearLogProb(
    hidden.handle,
    weight.handle,
    targets.handle,
    temperature,
  );
  const logProbs = new Tensor(logProbsHandle);
  const entropies = new Tensor(entropiesHandle);
  record('linearLogProb', [hidden, weight], [logProbs, entropies], ([dlogProbs, dentropies], accumulate) => {
    const dweight = accumulate.claim(weight);
    return [
      new Tensor(
        native.linearLogProbBackward({
          x: hidden.handle,
          weight: weight.handle,
          targets: targets.handle,
          temperature,
          dlogProbs: (dlogProbs ?? zeros(logProbs.shape)).handle,
          dentropies: dentropies?.handle,
          dweight: dweight?.grad.handle,
          overwrite: dweight?.fresh,
        }),
      ),
    ];
  });
  return { logProbs, entropies };
}
