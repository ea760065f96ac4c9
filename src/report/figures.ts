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

/** A figure of the report. */
export type Figure = HistogramFigure | CalibrationFigure | BarFigure | ShareFigure;

/** The log record of a figure. The figure is JSON text in one field. */
export function figureEvent(figure: Figure): { event: string; title: string; figure: string } {
  return { event: 'figure', title: figure.title, figure: JSON.stringify(figure) };
}

/** The newest figure of each title. Records without a valid figure are skipped. */
export function newestFigures(records: readonly MetricRecord[]): Figure[] {
  const newest = new Map<MetricValue, Figure>();
  for (const { title, figure } of records) {
    try {
      newest.set(title, JSON.parse(String(figure)) as Figure);
    } catch {
      // metrics-log.ts counts damaged lines.
    }
  }
  return [...newest.values()];
}
