/** The metrics of a rollout, and a warning when its KL divergence is impossible. */
import { mean, standardError } from '../../base/statistics.ts';
import { responseLength } from '../../scoring/sequences.ts';
import type { Estimate } from './advantage-estimator.ts';
import type { SampledResponses } from './sampled-responses.ts';

/** @param beta weight of the KL penalty in this rollout */
export function rolloutMetrics(
  sampled: SampledResponses,
  estimate: Estimate,
  beta: number,
): Record<string, number> {
  const { sequences, scores, rawScores, meanKl: kl } = sampled;
  return {
    reward: mean(scores),
    score: mean(rawScores),
    rlhf_reward: mean(scores) - beta * kl,
    kl,
    kl_coef: beta,
    ...(sampled.quantizationKl !== undefined && { quantization_kl: sampled.quantizationKl }),
    response_length: mean(sequences.map(responseLength)),
    eos_rate: mean(sequences.map(({ finished }) => (finished ? 1 : 0))),
    rollout_tokens_per_second: sampled.logProbs.length / sampled.rolloutSeconds,
    rollout_seconds: sampled.rolloutSeconds,
    scoring_seconds: sampled.scoringSeconds + estimate.seconds,
    ...estimate.metrics,
  };
}

/** With fewer responses the standard error is too uncertain for a test at three standard errors. */
const ENOUGH_RESPONSES = 64;

/**
 * A warning if the KL divergence of a rollout is below zero by more than chance (three standard
 * errors), else undefined. Responses drawn from the policy cannot have such a KL divergence, so
 * they were drawn from another distribution.
 */
export function negativeKlWarning({ responseKl: kl, meanKl, count }: SampledResponses): string | undefined {
  if (count < ENOUGH_RESPONSES || !(meanKl < -1e-3 - 3 * standardError(kl))) return undefined;
  return `the KL divergence is ${meanKl.toFixed(4)} over ${count} responses, and no policy has less than 0 on its own samples: was sampling truncated, or is the reference of another family?`;
}
