/** The clipped policy loss of a batch, with the entropy bonus and, for GRPO, the KL penalty. */
import type { ResponseOutput } from '../../scoring/response-log-probs.ts';
import { type PolicyLossResult, policyLoss } from '../../tensor/ops/policy.ts';
import type { RolloutBatch } from './rollout.ts';

export interface PolicyLossSettings {
  /** The ratio is clipped to [1 - clipLow, 1 + clipHigh]. */
  clipLow: number;
  clipHigh: number;
  /**
   * Largest loss of a token with a negative advantage, in multiples of the advantage (Ye et al.,
   * 2020); undefined: no limit.
   */
  dualClip: number | undefined;
  /** Weight of the entropy bonus, which is subtracted from the loss. */
  entropyCoef: number;
  /** Batches per minibatch; an update learns from one minibatch. */
  gradAccum: number;
}

/**
 * @param now the policy's current output for the batch
 * @param klCoef weight of the KL divergence from the reference (k3)
 */
export function batchPolicyLoss(
  { logProbs, entropies }: ResponseOutput,
  batch: RolloutBatch,
  klCoef: number,
  scale: number,
  { clipLow, clipHigh, dualClip, entropyCoef }: PolicyLossSettings,
): PolicyLossResult {
  const inputs = {
    oldLogProbs: batch.tensor('logProbs'),
    advantages: batch.tensor('advantages'),
    ...(entropyCoef !== 0 && { entropies }),
    ...(klCoef !== 0 && { referenceLogProbs: batch.tensor('referenceLogProbs') }),
  };
  const bound = dualClip === undefined ? {} : { dualClip };
  return policyLoss(logProbs, inputs, { clipLow, clipHigh, ...bound, entropyCoef, klCoef, scale });
}
