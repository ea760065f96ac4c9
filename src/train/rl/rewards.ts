/** From scores to rewards a token: what happens to a response that never stopped, the KL penalty, and where the score goes. */
import { mean } from '../../base/statistics.ts';
import type { Episode } from '../../scoring/episode.ts';

export interface MissingEosOptions {
  /** `score` gives such a response this score whatever the model thinks; `penalty` subtracts it; `none` does nothing. */
  missingEos: 'score' | 'penalty' | 'none';
  missingEosValue: number;
}

/** The scores with what unfinished responses are due. */
export function withMissingEos(
  scores: Float32Array,
  episodes: readonly Episode[],
  { missingEos, missingEosValue }: MissingEosOptions,
): Float32Array {
  if (missingEos === 'none') return scores;
  return scores.map((score, i) => {
    if (episodes[i]!.finished) return score;
    return missingEos === 'score' ? missingEosValue : score - missingEosValue;
  });
}

/**
 * reward_t = -beta * kl_t, and the score on the last token of each response, a stop token or the one at the limit. (Other
 * libraries add it one token later for finished responses, where the value function no longer counts.)
 * @param kl f32 `[m]` a token; @param starts of responses, as responseStarts gives them
 */
export function tokenRewards(
  scores: Float32Array,
  kl: Float32Array,
  starts: Int32Array,
  beta: number,
): Float32Array {
  const rewards = kl.map((value) => -beta * value);
  scores.forEach((score, i) => {
    rewards[starts[i + 1]! - 1]! += score;
  });
  return rewards;
}

export function standardDeviation(values: ArrayLike<number>): number {
  const center = mean(values);
  let sum = 0;
  for (let i = 0; i < values.length; ++i) sum += (values[i]! - center) ** 2;
  return Math.sqrt(sum / values.length);
}

/**
 * 1 - variance of (returns - values) over variance of returns: 1 is a perfect critic, 0 one that knows the mean only, and below
 * 0 one that is worse than that. Undefined where all returns are equal.
 */
export function explainedVariance(values: Float32Array, returns: Float32Array): number | undefined {
  const spread = standardDeviation(returns) ** 2;
  if (spread === 0) return undefined;
  return 1 - standardDeviation(returns.map((value, i) => value - values[i]!)) ** 2 / spread;
}
