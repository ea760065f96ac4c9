/**
 * What a comparison of two models may claim: means with their errors, intervals for shares, and a bootstrap over pairs.
 * Randomness is a hash of (seed, resample, draw), so a result is a function of its inputs.
 */

import { AthanorError } from './errors.ts';
import { mix } from './random.ts';

export interface CalibrationBin {
  /** Mean predicted probability, and the share that came true with its interval. */
  predicted: number;
  observed: number;
  low: number;
  high: number;
  count: number;
}

export interface Interval {
  low: number;
  high: number;
}

/** Compensated (Neumaier), so that the order of magnitude of single values does not matter. NaN for no values. */
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

/** Of the population the values were drawn from (divided by n - 1). NaN for fewer than two. */
export function sampleVariance(values: ArrayLike<number>): number {
  const centre = mean(values);
  const squares = Float64Array.from(values, (value) => (value - centre) ** 2);
  return (mean(squares) * values.length) / (values.length - 1);
}

/** Standard deviation of the mean of these values. NaN for fewer than two. */
export function standardError(values: ArrayLike<number>): number {
  return Math.sqrt(sampleVariance(values) / values.length);
}

/** Two-sided 95 % points of Student's t for 1, 2, … degrees of freedom. */
const T_95 = [
  12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228, 2.201, 2.179, 2.16, 2.145,
];

/**
 * The 95 % interval of the mean by Student's t. Throws ERR_ARGUMENT for fewer than 2 values or more
 * than 15.
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
 * The 95 % interval of the mean of shares, each in [0, 1]: Student's interval on the logit,
 * transformed back. The logit of the mean m has the mean's standard error over m (1 - m). So the
 * interval contains m and stays within [0, 1]. A mean of exactly 0 or 1 comes from equal shares and
 * has no width. Throws as meanInterval, and for a value that is no share.
 */
export function meanShareInterval(shares: readonly number[]): Interval & { mean: number } {
  const wrong = shares.find((share) => !(share >= 0 && share <= 1));
  if (wrong !== undefined) throw new AthanorError('ERR_ARGUMENT', `${wrong} is no share, 0 to 1`);
  const { mean: center, high } = meanInterval(shares);
  if (center <= 0 || center >= 1) return { mean: center, low: center, high: center };
  const logit = Math.log(center / (1 - center));
  const reach = (high - center) / (center * (1 - center));
  const share = (value: number) => 1 / (1 + Math.exp(-value));
  return { mean: center, low: share(logit - reach), high: share(logit + reach) };
}

/**
 * Wilson's interval for a share: unlike the textbook one it stays within [0, 1] and is right for few trials and for shares
 * near the ends. Throws ERR_ARGUMENT unless 0 <= successes <= trials, trials > 0 and 0 < confidence < 1.
 */
export function wilsonInterval(successes: number, trials: number, confidence = 0.95): Interval {
  if (!(trials > 0 && successes >= 0 && successes <= trials)) {
    throw new AthanorError('ERR_ARGUMENT', `${successes} of ${trials} is no share`);
  }
  const z = normalQuantile(0.5 + checkedConfidence(confidence) / 2);
  const share = successes / trials;
  const centre = share + z ** 2 / (2 * trials);
  const reach = z * Math.sqrt((share * (1 - share)) / trials + (z / (2 * trials)) ** 2);
  const scale = 1 + z ** 2 / trials;
  // At the ends the two terms are equal but for their rounding.
  return {
    low: successes === 0 ? 0 : (centre - reach) / scale,
    high: successes === trials ? 1 : (centre + reach) / scale,
  };
}

/**
 * Whether probabilities are right: predictions in bins of equal width, and how often each bin's came true. Empty bins are
 * left out.
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
  /** Two-sided: how often a difference this far from 0 would come of chance; never below 1 / (resamples + 1). */
  pValue: number;
}

/**
 * Percentile interval of the mean difference of scores that two models got on the same items: items are drawn with
 * replacement, pairs kept together. Throws ERR_ARGUMENT when the lists are empty or of unequal length.
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
      `expected as many scores of one as of the other and at least one resample, not ${n}, ${b.length} and ${resamples}`,
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

/** Of sorted values, with linear interpolation between neighbours; p in [0, 1]. NaN for no values. */
export function quantile(sorted: ArrayLike<number>, p: number): number {
  const at = p * (sorted.length - 1);
  const low = Math.floor(at);
  const from = sorted[low] ?? Number.NaN;
  return from + (at - low) * ((sorted[low + 1] ?? from) - from);
}

/**
 * A mean that forgets: each value counts `keep` times as much as the one after it. Right from the first value on, since
 * the weights given so far are divided out.
 */
export class Ema {
  readonly #keep: number;
  #sum = 0;
  #weight = 0;

  /** Throws ERR_ARGUMENT unless 0 <= keep < 1. */
  constructor(keep: number) {
    if (!(keep >= 0 && keep < 1))
      throw new AthanorError('ERR_ARGUMENT', `${keep} is no share to keep, 0 to 1`);
    this.#keep = keep;
  }

  /** Takes a value in and gives the mean. */
  observe(value: number): number {
    this.#sum = this.#keep * this.#sum + (1 - this.#keep) * value;
    this.#weight = this.#keep * this.#weight + (1 - this.#keep);
    return this.value;
  }

  /** NaN before the first value. */
  get value(): number {
    return this.#weight > 0 ? this.#sum / this.#weight : Number.NaN;
  }
}

/**
 * The value that a standard normal variable stays below with probability p. Acklam's rational approximation (relative
 * error 1e-9), p in (0, 1).
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
  throw new AthanorError('ERR_ARGUMENT', `a confidence lies between 0 and 1, ${confidence} does not`);
}
