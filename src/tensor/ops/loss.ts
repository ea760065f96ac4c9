/**
 * Losses over the vocabulary. The matrix product of the output head is part of each operation, so
 * the logits `[n, vocab]` never exist as a whole.
 */
import { native } from '../../native/addon.ts';
import { needsGrad, record } from '../autograd.ts';
import { Tensor, zeros } from '../tensor.ts';
import { scalarLoss } from './scalar-loss.ts';

/** Weights of the tokens and of the sum. */
export interface CrossEntropyOptions {
  /** f32 `[n]`: weight of the loss of each token. Default: 1 for all. */
  tokenWeights?: Tensor;
  /**
   * Factor on the sum. Default 1. With 1 / (tokens of the whole batch) the loss is a mean that
   * gradient accumulation does not change.
   */
  scale?: number;
  /** A logit l counts as softcap tanh(l / softcap). Default: as it is. */
  softcap?: number | undefined;
}

/** The loss to train on, and the losses of single tokens, which carry no gradient. */
export interface CrossEntropyResult {
  /** f32 `[1]`: scale * sum of weight * negative log-likelihood, in nats. */
  loss: Tensor;
  /** f32 `[n]`: negative log-likelihood of each target in nats; 0 for an ignored target. */
  losses: Tensor;
}

/**
 * Cross-entropy of softmax(hidden weight^T) against the targets. Throws ERR_ARGUMENT for a target
 * outside of the vocabulary.
 * @param hidden `[n, d]` f32 or bf16
 * @param weight `[vocab, d]` f32 or bf16
 * @param targets i32 `[n]`; -100 is ignored
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
    softcap: options.softcap,
  });
  const losses = new Tensor(lossesHandle);
  if (memory) dweightHandle!.dispose();
  const dweight = memory ?? dweightHandle;
  const loss = scalarLoss('linearCrossEntropy', lossValue, [hidden, weight], [dhiddenHandle, dweight]);
  return { loss, losses };
}

/** Log-probabilities and entropies, one per row. */
export interface LogProbResult {
  /** f32 `[n]`: log-probability of each target in nats; 0 for an ignored target. */
  logProbs: Tensor;
  /** f32 `[n]`: entropy of the distribution of each row in nats. */
  entropies: Tensor;
}

/**
 * The log-probability of each target under softmax(hidden weight^T / temperature), and the entropy
 * of that distribution. Both are f32 for hidden states of any dtype. For the same hidden row a
 * log-probability has the same bits as the one that sampling reports. Differentiable in both.
 * Throws ERR_ARGUMENT for a target outside of the vocabulary and for a temperature below 1e-6.
 * @param hidden `[n, d]` f32 or bf16
 * @param weight `[vocab, d]` f32 or bf16
 * @param targets i32 `[n]`; -100 is ignored
 * @param softcap a logit l counts as softcap tanh(l / softcap), before the temperature
 */
export function linearLogProb(
  hidden: Tensor,
  weight: Tensor,
  targets: Tensor,
  temperature = 1,
  softcap?: number,
): LogProbResult {
  const [logProbsHandle, entropiesHandle] = native.linearLogProb(
    hidden.handle,
    weight.handle,
    targets.handle,
    temperature,
    softcap,
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
          softcap,
        }),
      ),
    ];
  });
  return { logProbs, entropies };
}
