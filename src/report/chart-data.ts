/** Metric records as columns for the charts, thinned where a run is longer than a screen can show. */
import type { MetricRecord } from './metrics-log.ts';

/** Points kept a series: several a pixel, and well under a megabyte for all charts. */
const MAX_POINTS = 4000;

export interface ChartData {
  /** x values, by the choices of the axis control. */
  step: number[];
  tokens: number[];
  time: number[];
  /** y values; null where a point has none. */
  series: Record<string, (number | null)[]>;
  evaluations: {
    step: number[];
    tokens: number[];
    time: number[];
    series: Record<string, (number | null)[]>;
  };
}

const stepSeries = ['loss', 'lr', 'grad_norm', 'tokens_per_second'] as const;
const evaluationSeries = ['val_loss', 'bits_per_byte'] as const;

export function chartData(steps: readonly MetricRecord[], evaluations: readonly MetricRecord[]): ChartData {
  const timeOf = new Map<number, number>();
  let elapsed = 0;
  for (const record of steps) {
    elapsed += Number(record.seconds ?? 0);
    timeOf.set(record.step, elapsed);
  }
  const kept = thin(steps, MAX_POINTS);
  const columns = (records: readonly MetricRecord[], names: readonly string[]) => ({
    step: records.map((record) => record.step),
    tokens: records.map((record) => Number(record.tokens ?? 0)),
    time: records.map((record) => timeOf.get(record.step) ?? 0),
    series: Object.fromEntries(names.map((name) => [name, records.map((record) => finite(record[name]))])),
  });
  return { ...columns(kept, stepSeries), evaluations: columns(evaluations, evaluationSeries) };
}

/** Keeps, of each stretch, the records with the lowest and the highest loss, so that no spike is lost. */
function thin(records: readonly MetricRecord[], limit: number): readonly MetricRecord[] {
  if (records.length <= limit) return records;
  const stretch = Math.ceil((2 * records.length) / limit);
  const kept: MetricRecord[] = [];
  for (let i = 0; i < records.length; i += stretch) {
    const part = records.slice(i, i + stretch);
    const byLoss = part.toSorted((a, b) => Number(a.loss) - Number(b.loss));
    const ends = new Set([byLoss[0]!, byLoss.at(-1)!]);
    kept.push(...part.filter((record) => ends.has(record)));
  }
  return kept;
}

function finite(value: unknown): number | null {
  return typeof value === 'number' && Number.isFinite(value) ? value : null;
}
