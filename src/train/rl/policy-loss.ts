/** The clipped policy loss of a batch, with the entropy bonus and, for GRPO, the KL penalty. */
import type { ResponseOutput } from '../../scoring/response-log-probs.ts';
import { responseStarts } from '../../scoring/sequences.ts';
import { add, mul, sub } from '../../tensor/ops/elementwise.ts';
import {
  type PolicyLossInputs,
  type PolicyLossOptions,
  type PolicyLossResult,
  policyLoss,
} from '../../tensor/ops/policy.ts';
import { segmentBroadcast, segmentSum } from '../../tensor/ops/segments.ts';
import { type Tensor, tensor, zeros } from '../../tensor/tensor.ts';
import { type LossAggregation, tokenWeights } from './loss-aggregation.ts';
import type { RolloutBatch } from './rollout.ts';

/**
 * What a ratio compares: the probabilities of a token, or the geometric mean of those of a response
 * (GSPO, Zheng et al., 2025).
 */
export type ImportanceSamplingLevel = 'token' | 'sequence';

export interface PolicyLossSettings {
  /** How the losses of tokens become the loss of an update. */
  loss: LossAggregation;
  importanceSamplingLevel: ImportanceSamplingLevel;
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
 * @param scale one divided by the sum of lossShare() over the batches of the update
 */
export function batchPolicyLoss(
  now: ResponseOutput,
  batch: RolloutBatch,
  klCoef: number,
  scale: number,
  settings: PolicyLossSettings,
): PolicyLossResult {
  const { clipLow, clipHigh, dualClip, entropyCoef } = settings;
  const weights = tokenWeights(settings.loss, batch);
  const inputs: PolicyLossInputs = {
    oldLogProbs: batch.tensor('logProbs'),
    advantages: batch.tensor('advantages'),
    ...(weights && { weights }),
    ...(entropyCoef !== 0 && { entropies: now.entropies }),
    ...(klCoef !== 0 && { referenceLogProbs: batch.tensor('referenceLogProbs') }),
  };
  const bound = dualClip === undefined ? {} : { dualClip };
  const options = { clipLow, clipHigh, ...bound, entropyCoef, klCoef, scale };
  return settings.importanceSamplingLevel === 'token'
    ? policyLoss(now.logProbs, inputs, options)
    : sequenceLevelLoss(now.logProbs, batch, inputs, options);
}

/** The loss with one ratio per response. Its KL and entropy terms are still those of tokens. */
function sequenceLevelLoss(
  logProbs: Tensor,
  batch: RolloutBatch,
  inputs: PolicyLossInputs,
  options: PolicyLossOptions,
): PolicyLossResult {
  const { oldLogProbs, entropies: _, referenceLogProbs: __, ...rest } = inputs;
  const none = zeros(logProbs.shape);
  const logRatios = responseMeans(sub(logProbs, oldLogProbs), responseStarts(batch.sequences));
  const clipped = { ...options, entropyCoef: 0, klCoef: 0 };
  const surrogate = policyLoss(logRatios, { ...rest, oldLogProbs: none }, clipped);
  if (options.entropyCoef === 0 && options.klCoef === 0) return surrogate;
  const { loss } = policyLoss(logProbs, { ...inputs, advantages: none }, options);
  return { loss: add(surrogate.loss, loss), stats: surrogate.stats };
}

/** f32 `[n]`: at each token the mean of x over its response. */
function responseMeans(x: Tensor, starts: Int32Array): Tensor {
  const at = tensor(starts);
  const lengths = starts.subarray(1).map((end, i) => end - starts[i]!);
  const shares = tensor(Float32Array.from(lengths, (length) => 1 / Math.max(1, length)));
  return segmentBroadcast(mul(segmentSum(x, at), shares), at);
}
