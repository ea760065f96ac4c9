/** Pairs of answers with the scores that a reward model gave them, and what they say of the model. */
import { mean, wilsonInterval } from '../base/statistics.ts';
import type { ScoringModel } from '../nn/scoring-model.ts';
import { byTokens } from './episode.ts';
import { batchOf, comparisonTokens, type EncodedComparison } from './preference-data.ts';
import { SCORING_TOKENS, scoreSequences } from './reward-source.ts';

/** A pair of answers with what they scored. */
export interface JudgedPair {
  better: number;
  worse: number;
  /** Of its comparison's pairs. */
  weight: number;
  loss: number;
}

/** Every pair of some comparisons with the scores of its two answers. */
export function judgePairs(model: ScoringModel, comparisons: readonly EncodedComparison[]): JudgedPair[] {
  const judged: JudgedPair[] = [];
  for (const group of byTokens(comparisons, comparisonTokens, SCORING_TOKENS)) {
    const { answers, pairs, weights, margins } = batchOf(group);
    const scores = scoreSequences(
      model,
      answers.map(({ tokens }) => tokens),
    );
    weights.forEach((weight, p) => {
      const [better, worse] = [scores[pairs[2 * p]!]!, scores[pairs[2 * p + 1]!]!];
      judged.push({ better, worse, weight, loss: pairLoss(better - worse - margins[p]!) });
    });
  }
  return judged;
}

/** Loss a comparison, share of pairs in the right order with its 95 % interval, and how far apart and high scores are. */
export function pairMetrics(judged: readonly JudgedPair[], comparisons: number): Record<string, number> {
  const correct = judged.filter(({ better, worse }) => better > worse).length;
  const { low, high } = wilsonInterval(correct, judged.length);
  return {
    loss: judged.reduce((sum, { weight, loss }) => sum + weight * loss, 0) / comparisons,
    accuracy: correct / judged.length,
    accuracy_low: low,
    accuracy_high: high,
    pairs: judged.length,
    margin: mean(judged.map(({ better, worse }) => better - worse)),
    score_mean: mean(judged.flatMap(({ better, worse }) => [better, worse])),
  };
}

/** -log sigmoid(lead), stable for any lead. */
function pairLoss(lead: number): number {
  return Math.max(0, -lead) + Math.log1p(Math.exp(-Math.abs(lead)));
}
