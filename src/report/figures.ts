/**
 * Pictures of a distribution or a comparison rather than a course. A stage logs them as records
 * `{ event: 'figure' }`; the newest of a title counts.
 */
import type { CalibrationBin } from '../base/statistics.ts';
import type { MetricRecord, MetricValue } from './metrics-log.ts';

export interface HistogramFigure {
  kind: 'histogram';
  title: string;
  unit?: string;
  series: readonly { label: string; values: readonly number[] }[];
  /** Default 40. */
  bins?: number;
}

export interface CalibrationFigure {
  kind: 'calibration';
  title: string;
  bins: readonly CalibrationBin[];
}

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

export type Figure = HistogramFigure | CalibrationFigure | BarFigure | ShareFigure;

/** The record of the metrics log for a figure, which travels as JSON text in one field. */
export function figureEvent(figure: Figure): { event: string; title: string; figure: string } {
  return { event: 'figure', title: figure.title, figure: JSON.stringify(figure) };
}

/**
 * The figures of such records, of each title the newest; a record that holds none is passed over.
 */
export function newestFigures(records: readonly MetricRecord[]): Figure[] {
  const newest = new Map<MetricValue, Figure>();
  for (const { title, figure } of records) {
    try {
      newest.set(title, JSON.parse(String(figure)) as Figure);
    } catch {
      // A damaged line of the log is counted where it is read.
    }
  }
  return [...newest.values()];
}
