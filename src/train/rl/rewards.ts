/**
 * From scores to rewards per token: the rule for responses without an end token, the KL penalty,
 * and the place of the score.
 */
import { mean } from '../../base/statistics.ts';
import type { ResponseSequence } from '../../scoring/sequences.ts';

export interface MissingEosOptions {
  /**
   * The rule for responses without an end token. `score` replaces the score by the value, `penalty`
   * subtracts the value, `none` keeps the score.
   */
  missingEos: 'score' | 'penalty' | 'none';
  missingEosValue: number;
}

/** f32 `[responses]`: the scores after the rule for responses without an end token. */
export function penaliseUnfinished(
  scores: Float32Array,
  sequences: readonly ResponseSequence[],
  { missingEos, missingEosValue }: MissingEosOptions,
): Float32Array {
  if (missingEos === 'none') return scores;
  return scores.map((score, i) => {
    if (sequences[i]!.finished) return score;
    return missingEos === 'score' ? missingEosValue : score - missingEosValue;
  });
}

/**
 * f32 `[m]`: reward_t = -beta * kl_t. The score is added at the last token of each response, which
 * is a stop token or the token at the length limit. (Other libraries add it one token later for
 * finished responses, where the value function no longer counts.)
 * @param kl f32 `[m]`, one number per token
 * @param starts i32 `[responses + 1]`, from responseStarts
 * @param beta weight of the KL penalty
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

/** Population standard deviation: the divisor is the number of values. */
export function standardDeviation(values: ArrayLike<number>): number {
  const center = mean(values);
  let sum = 0;
  for (let i = 0; i < values.length; ++i) sum += (values[i]! - center) ** 2;
  return Math.sqrt(sum / values.length);
}

/**
 * 1 - variance of (returns - values) / variance of returns. A perfect critic has 1, a critic that
 * predicts only the mean has 0, and a worse one is below 0. Undefined if all returns are equal.
 */
export function explainedVariance(values: Float32Array, returns: Float32Array): number | undefined {
  const spread = standardDeviation(returns) ** 2;
  if (spread === 0) return undefined;
  return 1 - standardDeviation(returns.map((value, i) => value - values[i]!)) ** 2 / spread;
}
