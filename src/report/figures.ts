/**
 * Figures that show a distribution or a comparison. A stage logs them as records
 * `{ event: 'figure' }`; the newest of each title counts.
 */
import type { CalibrationBin } from '../base/statistics.ts';
import type { MetricRecord, MetricValue } from './metrics-log.ts';

/** A figure of the distribution of numbers. */
export interface HistogramFigure {
  kind: 'histogram';
  title: string;
  unit?: string;
  series: readonly { label: string; values: readonly number[] }[];
  /** Default 40. */
  bins?: number;
}

/** A figure of predicted probabilities and how often they came true. */
export interface CalibrationFigure {
  kind: 'calibration';
  title: string;
  bins: readonly CalibrationBin[];
}

/** A figure with one bar per name. */
export interface BarFigure {
  kind: 'bars';
  title: string;
  bars: readonly { label: string; value: number; low?: number; high?: number; count?: number }[];
}

/** Shares between 0 and 1 side by side, such as the right answers of several models. */
export interface ShareFigure {
  kind: 'shares';
  title: string;
  unit?: string;
  /** What each bar of a row stands for. */
  series: readonly string[];
  /** `values` has one share for each of `series`. */
  rows: readonly { label: string; values: readonly number[] }[];
}

/** A histogram whose numbers were counted before, with a line at a limit. */
export interface BinnedFigure {
  kind: 'binned';
  title: string;
  unit?: string;
  /** Borders of the bins, ascending; one more than each of `counts` has. */
  edges: readonly number[];
  series: readonly { label: string; counts: readonly number[] }[];
  threshold?: number;
  /** A logarithmic axis, for edges above 0. */
  logarithmic?: boolean;
}

/** A figure of the report. */
export type Figure = HistogramFigure | CalibrationFigure | BarFigure | ShareFigure | BinnedFigure;

/** The log record of a figure. The figure is JSON text in one field. */
export function figureEvent(figure: Figure): { event: string; title: string; figure: string } {
  return { event: 'figure', title: figure.title, figure: JSON.stringify(figure) };
}

/** The newest figure of each title. Records without a valid figure are skipped. */
export function newestFigures(records: readonly MetricRecord[]): Figure[] {
  const newest = new Map<MetricValue, Figure>();
  for (const { title, figure } of records) {
    try {
      const read = readFigure(JSON.parse(String(figure)));
      if (read) newest.set(title, read);
    } catch {
      // metrics-log.ts counts damaged lines.
    }
  }
  return [...newest.values()];
}

const mostBins = 1000;

/** A value from a file, or undefined if it cannot be drawn. JSON writes null for NaN. */
export function readFigure(value: unknown): Figure | undefined {
  const figure = numbered(value);
  return isFigure(figure) ? figure : undefined;
}

/** The value with NaN in the place of each null. */
function numbered(value: unknown): unknown {
  if (value === null) return Number.NaN;
  if (Array.isArray(value)) return value.map(numbered);
  if (typeof value !== 'object') return value;
  return Object.fromEntries(Object.entries(value).map(([key, part]) => [key, numbered(part)]));
}

function isFigure(value: unknown): value is Figure {
  const figure = (value ?? {}) as Record<string, unknown>;
  if (typeof figure.title !== 'string') return false;
  const { unit, bins = 40 } = figure;
  if (unit !== undefined && typeof unit !== 'string') return false;
  switch (figure.kind) {
    case 'histogram':
      return (
        Number.isInteger(bins) && Number(bins) > 0 && Number(bins) <= mostBins && hasValues(figure.series)
      );
    case 'calibration':
      return areObjects(bins, ({ predicted, observed, low, high, count }) =>
        [predicted, observed, low, high, count].every(isNumber),
      );
    case 'bars':
      return areObjects(
        figure.bars,
        ({ label, value, low = 0, high = 0, count = 0 }) =>
          typeof label === 'string' && [value, low, high, count].every(isNumber),
      );
    case 'shares':
      return (
        Array.isArray(figure.series) &&
        figure.series.every((name) => typeof name === 'string') &&
        hasValues(figure.rows)
      );
    case 'binned':
      return isBinned(figure);
    default:
      return false;
  }
}

function isBinned({ edges, series, threshold = 0, logarithmic = false }: Record<string, unknown>): boolean {
  if (!Array.isArray(edges) || edges.length < 2 || edges.length > mostBins || !edges.every(isNumber))
    return false;
  const ascends = edges.every((edge, i) => i === 0 || edge > edges[i - 1]);
  const fits = areObjects(
    series,
    ({ label, counts }) =>
      typeof label === 'string' &&
      Array.isArray(counts) &&
      counts.length === edges.length - 1 &&
      counts.every(isNumber),
  );
  return ascends && fits && isNumber(threshold) && typeof logarithmic === 'boolean';
}

function hasValues(rows: unknown): boolean {
  return areObjects(
    rows,
    ({ label, values }) => typeof label === 'string' && Array.isArray(values) && values.every(isNumber),
  );
}

function areObjects(list: unknown, fits: (item: Record<string, unknown>) => boolean): boolean {
  return Array.isArray(list) && list.every((item) => fits((item ?? {}) as Record<string, unknown>));
}

function isNumber(value: unknown): boolean {
  return typeof value === 'number';
}
