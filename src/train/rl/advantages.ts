/** What each token is credited with: against a critic (PPO), or against the other responses to its prompt (GRPO, RLOO). */
import { mean } from '../../base/statistics.ts';
import { responseStarts } from '../../scoring/episode.ts';
import { noGrad } from '../../tensor/autograd.ts';
import { gae, klPenalty, whiten } from '../../tensor/ops/policy.ts';
import { scope, tensor } from '../../tensor/tensor.ts';
import { standardDeviation, tokenRewards } from './rewards.ts';
import type { SampledResponses } from './sampler.ts';

export type KlEstimator = 'k1' | 'k2' | 'k3';

export interface GaeOptions {
  gamma: number;
  lambda: number;
  klEstimator: KlEstimator;
  /** Scales rewards to unit variance without moving their mean. */
  whitenRewards: boolean;
}

export interface Advantages {
  advantages: Float32Array;
  returns: Float32Array;
}

/** Estimates of log(policy / reference) a token (Schulman, "Approximating KL divergence", 2020). */
export function tokenKl(
  { logProbs, referenceLogProbs }: Pick<SampledResponses, 'logProbs' | 'referenceLogProbs'>,
  estimator: KlEstimator,
): Float32Array {
  return noGrad(() =>
    scope(() => klPenalty(tensor(logProbs), tensor(referenceLogProbs), estimator).toFloats()),
  );
}

/** Generalised advantages, whitened over the whole rollout; returns come from the unwhitened ones. */
export function gaeAdvantages(
  sampled: SampledResponses,
  values: Float32Array,
  beta: number,
  options: GaeOptions,
): Advantages {
  const starts = responseStarts(sampled.episodes);
  const kl = tokenKl(sampled, options.klEstimator);
  const rewards = tokenRewards(sampled.scores, kl, starts, beta);
  return noGrad(() =>
    scope(() => {
      const raw = tensor(rewards);
      const used = options.whitenRewards ? whiten(raw, { shiftMean: false }) : raw;
      const { advantages, returns } = gae(used, tensor(values), tensor(starts), options);
      return { advantages: whiten(advantages).toFloats(), returns: returns.toFloats() };
    }),
  );
}

export type GroupBaseline = 'grpo' | 'dr-grpo' | 'rloo';

/**
 * Of each response, the score less that of its group: `grpo` (r - mean) / (std + 1e-4) (Shao et al., 2024), `dr-grpo`
 * r - mean (Liu et al., 2025), `rloo` r - mean of the others (Ahmadian et al., 2024).
 */
export function relativeScores(
  scores: Float32Array,
  groupSize: number,
  baseline: GroupBaseline,
): Float32Array {
  const out = new Float32Array(scores.length);
  for (let first = 0; first < scores.length; first += groupSize) {
    const group = scores.subarray(first, first + groupSize);
    const center = mean(group);
    const spread = standardDeviation(group);
    group.forEach((score, i) => {
      const above = score - center;
      out[first + i] =
        baseline === 'grpo'
          ? above / (spread + 1e-4)
          : baseline === 'rloo'
            ? (above * groupSize) / (groupSize - 1)
            : above;
    });
  }
  return out;
}

/** Every token of a response is credited with its relative score. */
export function groupAdvantages(
  scores: Float32Array,
  starts: Int32Array,
  groupSize: number,
  baseline: GroupBaseline,
): Float32Array {
  const out = new Float32Array(starts.at(-1)!);
  relativeScores(scores, groupSize, baseline).forEach((advantage, i) => {
    out.fill(advantage, starts[i]!, starts[i + 1]!);
  });
  return out;
}
