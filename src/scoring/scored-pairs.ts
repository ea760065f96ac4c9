/** Pairs of answers with the scores of a reward model, and the metrics of these scores. */
import { mean, wilsonInterval } from '../base/statistics.ts';
import type { ScoringModel } from '../nn/scoring-model.ts';
import { comparisonBatch, comparisonTokens, type EncodedComparison } from './encoded-comparisons.ts';
import { scoreSequences } from './reward-model.ts';
import { byTokens, SCORING_TOKENS } from './sequences.ts';

export interface ScoredPair {
  /** Score of the better answer. */
  better: number;
  /** Score of the worse answer. */
  worse: number;
  /** Weight of the pair in the loss: one divided by the number of pairs of its comparison. */
  weight: number;
  /** -log sigmoid(better - worse - margin). */
  loss: number;
}

/** Scores all pairs of some comparisons. */
export function scorePairs(model: ScoringModel, comparisons: readonly EncodedComparison[]): ScoredPair[] {
  const scored: ScoredPair[] = [];
  for (const group of byTokens(comparisons, comparisonTokens, SCORING_TOKENS)) {
    const { answers, pairs, weights, margins } = comparisonBatch(group);
    const scores = scoreSequences(
      model,
      answers.map(({ tokens }) => tokens),
    );
    weights.forEach((weight, p) => {
      const [better, worse] = [scores[pairs[2 * p]!]!, scores[pairs[2 * p + 1]!]!];
      scored.push({ better, worse, weight, loss: pairLoss(better - worse - margins[p]!) });
    });
  }
  return scored;
}

/**
 * `loss` per comparison, `accuracy` (the share of pairs in the right order) with its 95 % interval,
 * the mean `margin` between the scores of a pair, and the mean score.
 * @param comparisons number of comparisons
 */
export function pairMetrics(scored: readonly ScoredPair[], comparisons: number): Record<string, number> {
  const correct = scored.filter(({ better, worse }) => better > worse).length;
  const { low, high } = wilsonInterval(correct, scored.length);
  return {
    loss: scored.reduce((sum, { weight, loss }) => sum + weight * loss, 0) / comparisons,
    accuracy: correct / scored.length,
    accuracy_low: low,
    accuracy_high: high,
    pairs: scored.length,
    margin: mean(scored.map(({ better, worse }) => better - worse)),
    score_mean: mean(scored.flatMap(({ better, worse }) => [better, worse])),
  };
}

/** -log sigmoid(lead), without overflow for any lead. */
function pairLoss(lead: number): number {
  return Math.max(0, -lead) + Math.log1p(Math.exp(-Math.abs(lead)));
}
