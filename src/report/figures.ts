/** Pictures of a distribution rather than a course. A stage logs them as records `{ event: 'figure' }`; the newest of a title counts. */

export interface HistogramFigure {
  kind: 'histogram';
  title: string;
  unit?: string;
  series: readonly { label: string; values: readonly number[] }[];
  /** Default 40. */
  bins?: number;
}

export interface CalibrationBin {
  /** Mean predicted probability, and the share that came true with its interval. */
  predicted: number;
  observed: number;
  low: number;
  high: number;
  count: number;
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

export type Figure = HistogramFigure | CalibrationFigure | BarFigure;

/** The record of the metrics log for a figure, which travels as JSON text in one field. */
export function figureEvent(figure: Figure): { event: string; title: string; figure: string } {
  return { event: 'figure', title: figure.title, figure: JSON.stringify(figure) };
}
