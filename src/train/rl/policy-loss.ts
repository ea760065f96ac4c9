/**
 * The clipped policy loss of a batch, with the entropy bonus and, for GRPO, the KL penalty in it.
 */
import type { ResponseOutput } from '../../scoring/response-log-probs.ts';
import { type PolicyLossResult, policyLoss } from '../../tensor/ops/policy.ts';
import type { RolloutBatch } from './rollout.ts';

export interface PolicyLossSettings {
  /** The ratio counts within [1 - clipLow, 1 + clipHigh]. */
  clipLow: number;
  clipHigh: number;
  /**
   * Bound on the cost of a negative advantage, a multiple of it (Ye et al., 2020);
   * undefined for none.
   */
  dualClip: number | undefined;
  /** Weight of the entropy, which is subtracted from the loss. */
  entropyCoef: number;
  /** Batches of a minibatch, which is what one update learns from. */
  gradAccum: number;
}

/**
 * @param now what the policy gives for the batch at present;
 * @param klCoef weight of the KL to the reference (k3)
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
