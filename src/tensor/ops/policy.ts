/**
 * What PPO and GRPO compute a response token. All numbers are f32 `[n]`, the tokens of all responses end to end; where there
 * are none, sums are 0. What is not finite stays so, in a loss and in each of its statistics.
 */
import { native } from '../../native/addon.ts';
import type { KlEstimator } from '../../native/binding/policy.ts';
import { needsGrad } from '../autograd.ts';
import { Tensor } from '../tensor.ts';
import { scalarLoss } from './scalar-loss.ts';

/**
 * Generalised advantage estimation (Schulman et al., 2016): delta_t = r_t + gamma V_{t+1} - V_t, summed with weights
 * (gamma lambda)^k; the value after a response's last token is 0. returns = advantages + values. Carries no gradient.
 * @param cuSeqlens i32 `[responses + 1]`; an empty response has no advantages
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
 * (x - mean) / sqrt(variance + 1e-8) over all elements, with the biased variance. `shiftMean: false` adds the mean back.
 * Carries no gradient. Throws ERR_NOT_FINITE.
 */
export function whiten(x: Tensor, { shiftMean = true }: { shiftMean?: boolean } = {}): Tensor {
  return new Tensor(native.whiten(x.handle, shiftMean));
}

/**
 * An estimate of the KL divergence from the reference, a token; with d = logProbs - reference: k1 d, k2 d^2 / 2,
 * k3 exp(-d) - 1 + d (Schulman, "Approximating KL divergence", 2020). Carries no gradient.
 */
export function klPenalty(logProbs: Tensor, reference: Tensor, kind: KlEstimator): Tensor {
  return new Tensor(native.klPenalty(logProbs.handle, reference.handle, kind));
}

export interface PolicyLossInputs {
  oldLogProbs: Tensor;
  advantages: Tensor;
  /** What entropyCoef weighs. */
  entropies?: Tensor;
  /** What klCoef weighs the distance from. */
  referenceLogProbs?: Tensor;
}

export interface PolicyLossOptions {
  /** The ratio counts within [1 - clipLow, 1 + clipHigh]. */
  clipLow: number;
  clipHigh: number;
  /** A token of advantage A < 0 costs -dualClip A at most (Ye et al., 2020). */
  dualClip?: number;
  entropyCoef?: number;
  /** Weight of k3 against the reference, inside the loss (GRPO). */
  klCoef?: number;
  scale: number;
}

export interface PolicyLossResult {
  /** f32 `[1]` */
  loss: Tensor;
  /** Sums over tokens, but for the extremes. */
  stats: {
    /** Tokens where the clipped branch is strictly larger. */
    clipped: number;
    /** Half the squared log-ratio. */
    approxKl: number;
    ratioMaxDeviation: number;
    ratioSum: number;
    /** Of no tokens: Infinity and -Infinity. */
    ratioMin: number;
    ratioMax: number;
  };
}

/**
 * scale * sum of max(-A r, -A clip(r)) + klCoef * k3 - entropyCoef * entropy, with r = exp(logProbs - oldLogProbs)
 * (Schulman et al., 2017, equation 7). Differentiable in logProbs and entropies. Throws ERR_ARGUMENT where a coefficient has
 * nothing to weigh.
 */
export function policyLoss(
  logProbs: Tensor,
  inputs: PolicyLossInputs,
  options: PolicyLossOptions,
): PolicyLossResult {
  const { oldLogProbs, advantages, entropies, referenceLogProbs } = inputs;
  const { clipLow, clipHigh, dualClip = 0, entropyCoef = 0, klCoef = 0, scale } = options;
  const [value, dlogProbs, dentropies, totals] = native.policyLoss({
    logProbs: logProbs.handle,
    oldLogProbs: oldLogProbs.handle,
    advantages: advantages.handle,
    entropies: entropies?.handle,
    referenceLogProbs: referenceLogProbs?.handle,
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

export interface ValueLossOptions {
  /** How far a value may move from the old one and still count; 0 or Infinity for any distance. */
  clip: number;
  scale: number;
}

/**
 * scale / 2 * sum of max((V - R)^2, (clip(V, old - clip, old + clip) - R)^2). Differentiable in values.
 * `clipped` counts the tokens where the second is strictly larger.
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
