/**
 * Metric records as columns for the charts. A run with more records than a screen can show is
 * thinned. From each stretch it keeps the records with the lowest and the highest value of every
 * field, so that no spike is lost. It also keeps the mean of each stretch, because a smoothed line
 * through extremes would be wrong.
 */
import type { ChartSpec } from './chart-specs.ts';
import type { MetricRecord } from './metrics-log.ts';
import type { Columns, RunColumns } from './page-data.ts';

/** Number of stretches of a long log: about one per pixel of a wide chart. */
const STRETCHES = 1000;

/** A run's columns, and the charts that have data in it. */
export interface ChartData extends RunColumns {
  charts: ChartSpec[];
}

export interface ChartSource {
  steps: readonly MetricRecord[];
  evaluations: readonly MetricRecord[];
  marks: readonly MetricRecord[];
}

/** The data of the charts that have any. Other charts are left out. */
export function chartData(
  { steps, evaluations, marks }: ChartSource,
  specs: readonly ChartSpec[],
): ChartData {
  const has = { step: fieldsIn(steps), evaluation: fieldsIn(evaluations) };
  const charts = specs
    .map((spec) => ({ ...spec, lines: spec.lines.filter(({ field, from }) => has[from].has(field)) }))
    .filter(({ lines }) => lines.length > 0);
  const fields = (from: 'step' | 'evaluation') => [
    ...new Set(
      charts.flatMap(({ lines }) => lines.filter((line) => line.from === from).map(({ field }) => field)),
    ),
  ];
  const timeOf = elapsedTimes(steps);
  const columns = (records: readonly MetricRecord[], names: string[]) => toColumns(records, names, timeOf);
  const stepFields = fields('step');
  const evaluationFields = fields('evaluation');
  return {
    charts,
    step: columns(thinned(steps, stepFields), stepFields),
    ...(isLong(steps) && {
      mean: columns(
        stretchesOf(steps).map((part) => averaged(part, stepFields)),
        stepFields,
      ),
    }),
    evaluation: columns(thinned(evaluations, evaluationFields), evaluationFields),
    marks: marks.slice(0, STRETCHES).map(({ step, event }) => ({ step, kind: String(event) })),
  };
}

/** Fields with at least one finite value. */
function fieldsIn(records: readonly MetricRecord[]): Set<string> {
  const names = new Set<string>();
  for (const record of records) {
    for (const [name, value] of Object.entries(record)) if (finite(value) !== null) names.add(name);
  }
  return names;
}

/** Seconds of training until the end of each step. */
function elapsedTimes(steps: readonly MetricRecord[]): (step: number) => number {
  const times = new Map<number, number>([[0, 0]]);
  let elapsed = 0;
  for (const record of steps) {
    elapsed += finite(record.seconds) ?? 0;
    times.set(record.step, elapsed);
  }
  return (step) => times.get(step) ?? elapsed;
}

function toColumns(
  records: readonly MetricRecord[],
  fields: readonly string[],
  timeOf: (step: number) => number,
): Columns {
  const timed = timeOf(Number.POSITIVE_INFINITY) > 0;
  const counted = records.length > 0 && records.every(({ tokens }) => finite(tokens) !== null);
  return {
    x: {
      step: records.map(({ step }) => step),
      ...(counted && { tokens: records.map(({ tokens }) => Number(tokens)) }),
      ...(timed && { time: records.map(({ step }) => Math.round(timeOf(step) * 1e4) / 1e4) }),
    },
    y: Object.fromEntries(fields.map((name) => [name, records.map((record) => rounded(record[name]))])),
  };
}

function isLong(records: readonly MetricRecord[]): boolean {
  return records.length > 2 * STRETCHES;
}

function stretchesOf(records: readonly MetricRecord[]): (readonly MetricRecord[])[] {
  const at = (i: number) => Math.floor((i * records.length) / STRETCHES);
  return Array.from({ length: STRETCHES }, (_, i) => records.slice(at(i), at(i + 1)));
}

function thinned(records: readonly MetricRecord[], fields: readonly string[]): readonly MetricRecord[] {
  return isLong(records) ? stretchesOf(records).flatMap((part) => extremes(part, fields)) : records;
}

/**
 * The first and the last record, and for each field those with the lowest, the highest and a
 * non-finite value, in order.
 */
function extremes(part: readonly MetricRecord[], fields: readonly string[]): MetricRecord[] {
  const kept = new Set<number>([0, part.length - 1]);
  for (const field of fields) {
    let low = -1;
    let high = -1;
    let broken = -1;
    part.forEach((record, i) => {
      const value = finite(record[field]);
      if (value === null) {
        if (typeof record[field] === 'number') broken = i;
        return;
      }
      if (low < 0 || value < Number(part[low]![field])) low = i;
      if (high < 0 || value > Number(part[high]![field])) high = i;
    });
    for (const i of [low, high, broken]) if (i >= 0) kept.add(i);
  }
  return [...kept].sort((a, b) => a - b).map((i) => part[i]!);
}

/** One record in the middle of the part, with the means of its finite values. */
function averaged(part: readonly MetricRecord[], fields: readonly string[]): MetricRecord {
  const record: MetricRecord = { ...part[Math.floor(part.length / 2)]! };
  for (const field of fields) {
    const values = part.map((one) => finite(one[field])).filter((value) => value !== null);
    record[field] = values.length > 0 ? values.reduce((sum, value) => sum + value, 0) / values.length : null;
  }
  return record;
}

/** Rounds, because more digits than a screen can show only cost bytes. */
function rounded(value: unknown): number | null {
  const number = finite(value);
  return number === null ? null : Number(number.toPrecision(6));
}

function finite(value: unknown): number | null {
  return typeof value === 'number' && Number.isFinite(value) ? value : null;
}
