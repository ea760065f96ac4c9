/**
 * Losses of PPO and GRPO and their inputs, per token. All tensors are f32 `[n]`: the tokens of all
 * responses, end to end. For n = 0 sums are 0. A number that is not finite stays so, both in a loss
 * and in each statistic.
 */
import { native } from '../../native/addon.ts';
import type { KlEstimator } from '../../native/binding/policy.ts';
import { needsGrad } from '../autograd.ts';
import { Tensor } from '../tensor.ts';
import { scalarLoss } from './scalar-loss.ts';

/**
 * Generalised advantage estimation (Schulman et al., 2016). With
 * `delta_t = r_t + gamma V_{t+1} - V_t`, the advantage at t is the sum over k of
 * `(gamma lambda)^k delta_{t+k}`. The value after the last token of a response is 0. returns
 * = advantages + values. Carries no gradient. Throws ERR_ARGUMENT unless gamma and lambda lie
 * in [0, 1].
 * @param cuSeqlens i32 `[responses + 1]`: where each response begins; a response may be empty
 */
export function gae(
  rewards: Tensor,
  values: Tensor,
  cuSeqlens: Tensor,
  { gamma, lambda }: { gamma: number; lambda: number },
): { advantages: Tensor; returns: Tensor } {
  const [advantages, returns] = native.gae(rewards.handle, values.handle, cuSeqlens.handle, gamma, lambda);
  return { advantages: new Tensor(advantages), returns: new Tensor(returns) };
}

/**
 * Whitens numbers: (x - mean) / sqrt(variance + 1e-8) over all elements, with the biased variance.
 * With shiftMean false the mean is added back. Carries no gradient. Throws ERR_NOT_FINITE when an
 * element is not finite.
 */
export function whiten(x: Tensor, { shiftMean = true }: { shiftMean?: boolean } = {}): Tensor {
  return new Tensor(native.whiten(x.handle, shiftMean));
}

/**
 * An estimate of the KL divergence from the reference for each token, in nats (Schulman,
 * "Approximating KL divergence", 2020). With d = logProbs - reference, k1 is d, k2 is d^2 / 2 and
 * k3 is exp(-d) - 1 + d. Carries no gradient.
 */
export function klPenalty(logProbs: Tensor, reference: Tensor, kind: KlEstimator): Tensor {
  return new Tensor(native.klPenalty(logProbs.handle, reference.handle, kind));
}

/** Tensors f32 `[n]` that the policy loss compares the log-probabilities with. */
export interface PolicyLossInputs {
  /** Log-probabilities when the tokens were sampled. */
  oldLogProbs: Tensor;
  /** Advantages, such as those of gae(). */
  advantages: Tensor;
  /** Entropy at each token; required unless entropyCoef is 0. */
  entropies?: Tensor;
  /** Log-probabilities under the reference; required unless klCoef is 0. */
  referenceLogProbs?: Tensor;
  /** Factor on all terms of a token, such as one over its response's length. Default: 1. */
  weights?: Tensor;
}

/** Coefficients of the policy loss. */
export interface PolicyLossOptions {
  /** The ratio is clipped to [1 - clipLow, 1 + clipHigh]. */
  clipLow: number;
  clipHigh: number;
  /**
   * Limits the loss of a token with advantage A < 0 to -dualClip A (Ye et al., 2020); above 1, or 0
   * for no limit. Default 0.
   */
  dualClip?: number;
  /** Weight of the entropy bonus. Default 0. */
  entropyCoef?: number;
  /**
   * Weight of the k3 estimate of the KL divergence from the reference, inside the loss, as in
   * GRPO. Default 0.
   */
  klCoef?: number;
  /** Factor on the weighted sum over tokens. */
  scale: number;
}

/** The policy loss and its statistics. */
export interface PolicyLossResult {
  /** f32 `[1]` */
  loss: Tensor;
  /**
   * Statistics of the tokens, without weights: sums, except ratioMaxDeviation, ratioMin and
   * ratioMax.
   */
  stats: {
    /** Number of tokens where the clipped branch is strictly larger. */
    clipped: number;
    /**
     * Sum of half the squared log-ratio, the k2 estimate of the KL divergence from the old policy.
     */
    approxKl: number;
    /** Largest |ratio - 1|. */
    ratioMaxDeviation: number;
    ratioSum: number;
    /** Infinity without tokens. */
    ratioMin: number;
    /** -Infinity without tokens. */
    ratioMax: number;
  };
}

/**
 * The clipped objective of PPO as a loss (Schulman et al., 2017, equation 7): scale times the sum
 * over tokens of `weight * (max(-A r, -A clip(r)) + klCoef * k3 - entropyCoef * entropy)` with
 * `r = exp(logProbs - oldLogProbs)`. Differentiable in logProbs and entropies. Throws ERR_ARGUMENT
 * when a coefficient is not 0 and its tensor is missing.
 * @param logProbs f32 `[n]` under the policy that trains
 */
export function policyLoss(
  logProbs: Tensor,
  inputs: PolicyLossInputs,
  options: PolicyLossOptions,
): PolicyLossResult {
  const { oldLogProbs, advantages, entropies, referenceLogProbs, weights } = inputs;
  const { clipLow, clipHigh, dualClip = 0, entropyCoef = 0, klCoef = 0, scale } = options;
  const [value, dlogProbs, dentropies, totals] = native.policyLoss({
    logProbs: logProbs.handle,
    oldLogProbs: oldLogProbs.handle,
    advantages: advantages.handle,
    entropies: entropies?.handle,
    referenceLogProbs: referenceLogProbs?.handle,
    weights: weights?.handle,
    clipLow,
    clipHigh,
    dualClip,
    entropyCoef,
    klCoef,
    scale,
    needGradient: needsGrad(logProbs, entropies),
  });
  const loss = scalarLoss('policyLoss', value, [logProbs, entropies], [dlogProbs, dentropies]);
  const [clipped, approxKl, ratioMaxDeviation, ratioSum, ratioMin, ratioMax] = totals;
  return { loss, stats: { clipped, approxKl, ratioMaxDeviation, ratioSum, ratioMin, ratioMax } };
}

/** Coefficients of the value loss. */
export interface ValueLossOptions {
  /** The largest counted distance of a value from the old one. 0 or Infinity: any distance. */
  clip: number;
  /** Factor on the sum over tokens. */
  scale: number;
}

/**
 * The loss of the value model: scale / 2 times the sum over tokens of
 * `max((V - R)^2, (clip(V, old - clip, old + clip) - R)^2)` for values V and returns R,
 * all f32 `[n]`. Differentiable in values. `clipped` counts the tokens where the second
 * term is strictly larger.
 */
export function valueLoss(
  values: Tensor,
  { oldValues, returns }: { oldValues: Tensor; returns: Tensor },
  { clip, scale }: ValueLossOptions,
): { loss: Tensor; clipped: number } {
  const [value, dvalues, clipped] = native.valueLoss(
    values.handle,
    oldValues.handle,
    returns.handle,
    clip === Number.POSITIVE_INFINITY ? 0 : clip,
    scale,
    needsGrad(values),
  );
  return { loss: scalarLoss('valueLoss', value, [values], [dvalues]), clipped };
}
