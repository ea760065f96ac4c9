/** Pictures of a distribution rather than a course. A stage logs them as records `{ event: 'figure' }`; the newest of a title counts. */
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

/** A figure of the report. */
export type Figure = HistogramFigure | CalibrationFigure | BarFigure;

/** The record of the metrics log for a figure, which travels as JSON text in one field. */
export function figureEvent(figure: Figure): { event: string; title: string; figure: string } {
  return { event: 'figure', title: figure.title, figure: JSON.stringify(figure) };
}

/** The figures of such records, of each title the newest; a record that holds none is passed over. */
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
