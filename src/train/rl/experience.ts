/** From scored responses to a rollout to learn from: what each token is credited with, and what is logged of it all. */

import { mean, standardError } from '../../base/statistics.ts';
import type { Gpt } from '../../nn/gpt.ts';
import { responseLength, responseStarts, sumsByResponse } from '../../scoring/episode.ts';
import { overEpisodes, policyHidden } from '../../scoring/log-probs.ts';
import {
  type Advantages,
  type GroupBaseline,
  gaeAdvantages,
  groupAdvantages,
  type KlEstimator,
  relativeScores,
  tokenKl,
} from './advantages.ts';
import type { Critic } from './critic.ts';
import { explainedVariance } from './rewards.ts';
import { Rollout } from './rollout.ts';
import type { SampledResponses } from './sampler.ts';

/** Advantages from a critic, with the KL penalty inside the reward. */
export interface CriticAlgorithm {
  kind: 'critic';
  critic: Critic;
  /** Above 1, scores count relative to the other responses to the same prompt. */
  responsesPerPrompt: number;
  gamma: number;
  lambda: number;
  klEstimator: KlEstimator;
  whitenRewards: boolean;
  valueClip: number;
  valueCoef: number;
}

/** Advantages within the responses to one prompt, with the KL penalty (k3) inside the loss. */
export interface GroupAlgorithm {
  kind: 'group';
  baseline: GroupBaseline;
  responsesPerPrompt: number;
}

export type Algorithm = CriticAlgorithm | GroupAlgorithm;

/** @param beta weight of the KL penalty */
export function makeRollout(
  iteration: number,
  sampled: SampledResponses,
  beta: number,
  { policy, algorithm }: { policy: Gpt; algorithm: Algorithm },
): Rollout {
  const { episodes, logProbs, referenceLogProbs } = sampled;
  const startedAt = performance.now();
  const credit =
    algorithm.kind === 'critic'
      ? criticCredit(sampled, beta, policy, algorithm)
      : groupCredit(sampled, algorithm);
  const criticSeconds = (performance.now() - startedAt) / 1000;
  const metrics = { ...rolloutMetrics(sampled, beta), ...creditMetrics(credit) };
  metrics.scoring_seconds! += criticSeconds;
  return new Rollout(iteration, episodes, { logProbs, referenceLogProbs, ...credit }, metrics);
}

interface Credit extends Advantages {
  values: Float32Array;
}

function criticCredit(sampled: SampledResponses, beta: number, policy: Gpt, how: CriticAlgorithm): Credit {
  const { critic } = how;
  const values = overEpisodes(sampled.episodes, (batch) =>
    critic.values(batch, critic.sharesTrunk ? policyHidden(policy, batch) : undefined),
  );
  const { responsesPerPrompt } = how;
  const scores =
    responsesPerPrompt > 1 ? relativeScores(sampled.scores, responsesPerPrompt, 'rloo') : sampled.scores;
  return { values, ...gaeAdvantages({ ...sampled, scores }, values, beta, how) };
}

function groupCredit({ scores, episodes }: SampledResponses, how: GroupAlgorithm): Credit {
  const starts = responseStarts(episodes);
  const advantages = groupAdvantages(scores, starts, how.responsesPerPrompt, how.baseline);
  return { advantages, values: new Float32Array(0), returns: new Float32Array(0) };
}

function rolloutMetrics(sampled: SampledResponses, beta: number): Record<string, number> {
  const { episodes, scores, rawScores } = sampled;
  const kl = mean(responseKl(sampled));
  const lengths = episodes.map(responseLength);
  const tokens = lengths.reduce((sum, length) => sum + length, 0);
  return {
    reward: mean(scores),
    score: mean(rawScores),
    rlhf_reward: mean(scores) - beta * kl,
    kl,
    kl_coef: beta,
    response_length: mean(lengths),
    eos_rate: mean(episodes.map(({ finished }) => (finished ? 1 : 0))),
    rollout_tokens_per_second: tokens / sampled.rolloutSeconds,
    rollout_seconds: sampled.rolloutSeconds,
    scoring_seconds: sampled.scoringSeconds,
  };
}

function creditMetrics({ values, returns }: Credit): Record<string, number> {
  const explained = values.length > 0 ? explainedVariance(values, returns) : undefined;
  return explained === undefined ? {} : { value_explained_variance: explained };
}

/** Of each response, log(policy / reference) summed over its tokens: its k1, in nats. */
export function responseKl(sampled: SampledResponses): Float64Array {
  return sumsByResponse(tokenKl(sampled, 'k1'), responseStarts(sampled.episodes));
}

/** Responses from which on a mean says something. */
const ENOUGH_RESPONSES = 64;

/**
 * Says so when the KL of a rollout is below zero by more than chance (three standard errors): responses drawn from the policy
 * itself cannot have that, so they were drawn from something else.
 */
export function negativeKlWarning(sampled: SampledResponses): string | undefined {
  const kl = responseKl(sampled);
  if (kl.length < ENOUGH_RESPONSES || !(mean(kl) < -1e-3 - 3 * standardError(kl))) return undefined;
  return `the KL divergence is ${mean(kl).toFixed(4)} over ${kl.length} responses, and no policy has less than 0 on its own samples: was sampling truncated, or is the reference of another family?`;
}
