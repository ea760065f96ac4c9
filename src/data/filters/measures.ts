/**
 * How many texts had which measure: a histogram for each rule, of the texts that came to it. The
 * threshold is the border of two bins.
 */

/** Bins of equal width; or with equal ratios of their borders, for counts. */
export type MeasureScale = 'linear' | 'log';

/** The measures of a rule. */
export type MeasureCounts = {
  /** Such as `gopher-quality.min-words`. */
  rule: string;
  threshold: number;
  scale: MeasureScale;
  /** Texts in each bin that the rule let through. */
  kept: number[];
  /** Texts in each bin that it rejected. */
  rejected: number[];
};

/** Bins of a linear scale: the last one has all beyond. */
const LINEAR_BINS = 60;
/** Bins of a linear scale up to the threshold. */
export const TO_THRESHOLD = 10;
const PER_OCTAVE = 8;
/** Octaves of a logarithmic scale on either side of the threshold. */
const OCTAVES = 12;
const MIDDLE = OCTAVES * PER_OCTAVE;

/** A histogram without texts. */
export function measureCounts(rule: string, threshold: number): MeasureCounts {
  const scale = threshold <= 1 ? 'linear' : 'log';
  const bins = scale === 'linear' ? LINEAR_BINS : 2 * MIDDLE;
  const none = () => new Array<number>(bins).fill(0);
  return { rule, threshold, scale, kept: none(), rejected: none() };
}

const widthOf = (threshold: number) => (threshold > 0 ? threshold / TO_THRESHOLD : 1);

/** Counts a text. */
export function addMeasure(counts: MeasureCounts, value: number, isKept: boolean): void {
  const side = isKept ? counts.kept : counts.rejected;
  const { threshold, scale } = counts;
  const place =
    scale === 'linear'
      ? Math.floor(value / widthOf(threshold) + 1e-9)
      : MIDDLE + Math.floor(PER_OCTAVE * Math.log2(Math.max(value, 1e-300) / threshold) + 1e-9);
  side[Math.max(0, Math.min(side.length - 1, place))]! += 1;
}

/** The histograms of parts of a corpus together. They are of the same filters. */
export function mergedMeasures(parts: readonly (readonly MeasureCounts[])[]): MeasureCounts[] {
  const merged = new Map<string, MeasureCounts>();
  for (const counts of parts.flat()) {
    const key = `${counts.rule} ${counts.threshold}`;
    const sum = merged.get(key) ?? measureCounts(counts.rule, counts.threshold);
    merged.set(key, sum);
    for (const side of ['kept', 'rejected'] as const) {
      for (const [i, count] of counts[side].entries()) sum[side][i]! += count;
    }
  }
  return [...merged.values()];
}

/** The borders of the bins, one more than there are bins. */
export function measureEdges({ threshold, scale, kept }: MeasureCounts): number[] {
  const edge =
    scale === 'linear'
      ? (i: number) => i * widthOf(threshold)
      : (i: number) => threshold * 2 ** ((i - MIDDLE) / PER_OCTAVE);
  return Array.from({ length: kept.length + 1 }, (_, i) => edge(i));
}
