/** How well probabilities tell two classes apart. */
import { type Interval, wilsonInterval } from '../base/statistics.ts';

/** A probability with the true label. */
export interface LabelledProbability {
  probability: number;
  label: boolean;
}

/** Counts and shares of decisions at a threshold; NaN for a share of nothing. */
export interface DecisionMetrics {
  /** Share of rows that are decided rightly. */
  accuracy: number;
  /** Of the rows that pass the threshold, the share that is of the class. */
  precision: number;
  /** Of the rows of the class, the share that passes the threshold. */
  recall: number;
  /** Of the other rows, the share that passes the threshold. */
  falsePositiveRate: number;
  precisionInterval: Interval;
  recallInterval: Interval;
}

/** What a threshold decides: a probability of at least the threshold is of the class. */
export function decisionMetrics(rows: readonly LabelledProbability[], threshold: number): DecisionMetrics {
  let [right, wrong, missed] = [0, 0, 0];
  for (const { probability, label } of rows) {
    if (probability >= threshold) label ? ++right : ++wrong;
    else if (label) ++missed;
  }
  const others = rows.length - right - missed;
  return {
    accuracy: (right + others - wrong) / rows.length,
    precision: right / (right + wrong),
    recall: right / (right + missed),
    falsePositiveRate: wrong / others,
    precisionInterval: interval(right, right + wrong),
    recallInterval: interval(right, right + missed),
  };
}

function interval(successes: number, trials: number): Interval {
  return trials > 0 ? wilsonInterval(successes, trials) : { low: 0, high: 1 };
}

/**
 * The area under the ROC curve: the probability that a row of the class has a higher probability
 * than another row; equal ones count half (Mann and Whitney, 1947). NaN where one class has no row.
 */
export function rocAuc(rows: readonly LabelledProbability[]): number {
  const sorted = [...rows].sort((a, b) => a.probability - b.probability);
  let [below, sum] = [0, 0];
  for (let i = 0; i < sorted.length; ) {
    const { probability } = sorted[i]!;
    let [own, others] = [0, 0];
    for (; i < sorted.length && sorted[i]!.probability === probability; ++i) {
      if (sorted[i]!.label) ++own;
      else ++others;
    }
    sum += own * (below + others / 2);
    below += others;
  }
  const own = rows.length - below;
  return sum / (own * below);
}

/**
 * The lowest threshold that at most this share of the rows outside of the class passes. The
 * threshold lies in the middle between two rows. 0.5 where no row is outside of the class.
 */
export function thresholdFor(rows: readonly LabelledProbability[], falsePositiveRate: number): number {
  const others = rows.filter(({ label }) => !label).map(({ probability }) => probability);
  if (others.length === 0) return 0.5;
  others.sort((a, b) => b - a);
  const allowed = Math.floor(falsePositiveRate * others.length + 1e-9);
  if (allowed >= others.length) return 0;
  const highest = others[allowed]!;
  const above = rows.reduce(
    (least, { probability }) => (probability > highest ? Math.min(least, probability) : least),
    1,
  );
  return (highest + above) / 2;
}
