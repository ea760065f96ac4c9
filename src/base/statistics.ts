/**
 * Statistics for comparing models: means with their errors, intervals for shares, and a
 * bootstrap over pairs. Random draws are a hash of (seed, resample, draw), so a result depends
 * on the arguments alone.
 */

import { AthanorError } from './errors.ts';
import { mix } from './random.ts';

/** Predictions of similar probability, and how often they came true. */
export interface CalibrationBin {
  /** Mean predicted probability of the bin. */
  predicted: number;
  /** Share of the predictions that came true. */
  observed: number;
  /** Ends of Wilson's 95 % interval of `observed`. */
  low: number;
  high: number;
  /** Number of predictions in the bin. */
  count: number;
}

/** The ends of a confidence interval. */
export interface Interval {
  low: number;
  high: number;
}

/**
 * Arithmetic mean by compensated summation (Neumaier, 1974), which keeps the precision of small
 * values beside large ones. NaN for no values.
 */
export function mean(values: ArrayLike<number>): number {
  let sum = 0;
  let lost = 0;
  for (let i = 0; i < values.length; ++i) {
    const value = values[i]!;
    const next = sum + value;
    lost += Math.abs(sum) >= Math.abs(value) ? sum - next + value : value - next + sum;
    sum = next;
  }
  // Past the largest double the compensation is infinity minus infinity.
  return (Number.isFinite(sum) ? sum + lost : sum) / values.length;
}

/**
 * Unbiased estimate of the variance: the sum of squared deviations over n - 1. NaN for fewer
 * than two values.
 */
export function sampleVariance(values: ArrayLike<number>): number {
  const centre = mean(values);
  const squares = Float64Array.from(values, (value) => (value - centre) ** 2);
  return (mean(squares) * values.length) / (values.length - 1);
}

/** Standard error of the mean. NaN for fewer than two values. */
export function standardError(values: ArrayLike<number>): number {
  return Math.sqrt(sampleVariance(values) / values.length);
}

/** Two-sided 95 % points of Student's t for 1, 2, … degrees of freedom. */
const T_95 = [
  12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228, 2.201, 2.179, 2.16, 2.145,
];

/**
 * The 95 % interval of the mean by Student's t. Throws ERR_ARGUMENT for fewer than 2 values or
 * more than 15.
 */
export function meanInterval(values: readonly number[]): Interval & { mean: number } {
  const t = T_95[values.length - 2];
  if (t === undefined) {
    throw new AthanorError('ERR_ARGUMENT', `expected 2 to 15 values but got ${values.length}`);
  }
  const center = mean(values);
  const reach = t * standardError(values);
  return { mean: center, low: center - reach, high: center + reach };
}

/**
 * The 95 % interval of the mean of shares, each in [0, 1]: Student's interval of the logit,
 * transformed back. The standard error of the logit is that of the mean m, divided by m (1 - m).
 * The interval therefore contains m and stays within [0, 1]. A mean of exactly 0 or 1 comes from
 * equal shares, and its interval has no width. Throws ERR_ARGUMENT as meanInterval does, and for a
 * value outside of [0, 1].
 */
export function meanShareInterval(shares: readonly number[]): Interval & { mean: number } {
  const wrong = shares.find((share) => !(share >= 0 && share <= 1));
  if (wrong !== undefined)
    throw new AthanorError('ERR_ARGUMENT', `expected shares from 0 to 1 but got ${wrong}`);
  const { mean: center, high } = meanInterval(shares);
  if (center <= 0 || center >= 1) return { mean: center, low: center, high: center };
  const logit = Math.log(center / (1 - center));
  const reach = (high - center) / (center * (1 - center));
  const share = (value: number) => 1 / (1 + Math.exp(-value));
  return { mean: center, low: share(logit - reach), high: share(logit + reach) };
}

/**
 * Wilson's score interval of a share. Unlike the normal approximation it stays within [0, 1], and
 * it is accurate for few trials and for shares near 0 or 1. Throws ERR_ARGUMENT unless
 * trials > 0, successes lie in [0, trials] and confidence in (0, 1).
 */
export function wilsonInterval(successes: number, trials: number, confidence = 0.95): Interval {
  if (!(trials > 0 && successes >= 0 && successes <= trials)) {
    throw new AthanorError(
      'ERR_ARGUMENT',
      `expected at least one trial and no more successes than trials but got ${successes} of ${trials}`,
    );
  }
  const z = normalQuantile(0.5 + checkedConfidence(confidence) / 2);
  const share = successes / trials;
  const centre = share + z ** 2 / (2 * trials);
  const reach = z * Math.sqrt((share * (1 - share)) / trials + (z / (2 * trials)) ** 2);
  const scale = 1 + z ** 2 / trials;
  // At the ends the two terms differ by their rounding only.
  return {
    low: successes === 0 ? 0 : (centre - reach) / scale,
    high: successes === trials ? 1 : (centre + reach) / scale,
  };
}

/**
 * Compares predicted probabilities with outcomes, in bins of equal width over [0, 1]. Empty bins
 * are left out.
 */
export function calibrationBins(
  probabilities: readonly number[],
  outcomes: readonly boolean[],
  bins: number,
): CalibrationBin[] {
  const groups = Array.from({ length: bins }, () => ({ predicted: 0, count: 0, successes: 0 }));
  probabilities.forEach((probability, i) => {
    const group = groups[Math.min(bins - 1, Math.floor(probability * bins))]!;
    group.predicted += probability;
    group.count += 1;
    group.successes += outcomes[i] ? 1 : 0;
  });
  return groups
    .filter(({ count }) => count > 0)
    .map(({ predicted, count, successes }) => ({
      predicted: predicted / count,
      observed: successes / count,
      ...wilsonInterval(successes, count),
      count,
    }));
}

export interface BootstrapOptions {
  seed: number;
  /** Default 0.95. */
  confidence?: number;
  /** Default 10,000. */
  resamples?: number;
}

export interface BootstrapResult extends Interval {
  /** Mean of a minus mean of b. */
  difference: number;
  /**
   * Two-sided p-value of the hypothesis that there is no difference; at least 2 / (resamples + 1).
   */
  pValue: number;
}

/**
 * Percentile bootstrap of the mean difference between the scores of two models on the same items.
 * Items are drawn with replacement, and the two scores of an item stay together. Throws
 * ERR_ARGUMENT when the lists are empty or of unequal length, for fewer than one resample, and
 * unless 0 < confidence < 1.
 */
export function pairedBootstrap(
  a: ArrayLike<number>,
  b: ArrayLike<number>,
  { seed, confidence = 0.95, resamples = 10_000 }: BootstrapOptions,
): BootstrapResult {
  const n = a.length;
  if (n === 0 || b.length !== n || !(resamples >= 1)) {
    throw new AthanorError(
      'ERR_ARGUMENT',
      `expected two equally long lists of scores and at least one resample but got ${n} and ${b.length} scores and ${resamples} resamples`,
    );
  }
  const tail = (1 - checkedConfidence(confidence)) / 2;
  const differences = Float64Array.from({ length: n }, (_, i) => a[i]! - b[i]!);
  const means = new Float64Array(resamples);
  for (let r = 0; r < resamples; ++r) {
    const stream = mix(seed, r);
    let sum = 0;
    for (let i = 0; i < n; ++i) sum += differences[Math.floor((mix(stream, i) / 2 ** 32) * n)]!;
    means[r] = sum / n;
  }
  means.sort();
  const below = means.filter((value) => value <= 0).length;
  const above = means.filter((value) => value >= 0).length;
  return {
    difference: mean(differences),
    low: quantile(means, tail),
    high: quantile(means, 1 - tail),
    pValue: Math.min(1, (2 * (Math.min(below, above) + 1)) / (resamples + 1)),
  };
}

/**
 * The p-quantile, p in [0, 1], of values in ascending order, with linear interpolation between
 * neighbours. NaN for no values.
 */
export function quantile(sorted: ArrayLike<number>, p: number): number {
  const at = p * (sorted.length - 1);
  const low = Math.floor(at);
  const from = sorted[low] ?? Number.NaN;
  return from + (at - low) * ((sorted[low + 1] ?? from) - from);
}

/**
 * The p-quantile of the standard normal distribution, p in (0, 1), by Acklam's rational
 * approximation (relative error 1e-9).
 */
export function normalQuantile(p: number): number {
  if (p > 0.5) return -normalQuantile(1 - p);
  if (p >= 0.02425) {
    const q = p - 0.5;
    const r = q * q;
    return (q * polynomial(r, centralTop)) / (polynomial(r, centralBottom) * r + 1);
  }
  const q = Math.sqrt(-2 * Math.log(p));
  return polynomial(q, tailTop) / (polynomial(q, tailBottom) * q + 1);
}

const centralTop = [
  -39.69683028665376, 220.9460984245205, -275.9285104469687, 138.357751867269, -30.66479806614716,
  2.506628277459239,
];
const centralBottom = [
  -54.47609879822406, 161.5858368580409, -155.6989798598866, 66.80131188771972, -13.28068155288572,
];
const tailTop = [
  -0.007784894002430293, -0.3223964580411365, -2.400758277161838, -2.549732539343734, 4.374664141464968,
  2.938163982698783,
];
const tailBottom = [0.007784695709041462, 0.3224671290700398, 2.445134137142996, 3.754408661907416];

/** Horner's scheme, highest power first. */
function polynomial(x: number, coefficients: readonly number[]): number {
  return coefficients.reduce((sum, coefficient) => sum * x + coefficient, 0);
}

function checkedConfidence(confidence: number): number {
  if (confidence > 0 && confidence < 1) return confidence;
  throw new AthanorError('ERR_ARGUMENT', `expected a confidence between 0 and 1 but got ${confidence}`);
}

/** The sum of each column, row by row, such as figures of batches. */
export function columnSums(rows: readonly (readonly number[])[]): number[] {
  return (rows[0] ?? []).map((_, column) => rows.reduce((sum, row) => sum + row[column]!, 0));
}
