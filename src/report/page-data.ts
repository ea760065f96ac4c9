/** What the page's program draws: written into the page as JSON, and read by page/main.ts. */

/** Null where a value is missing or not finite. */
export type Column = (number | null)[];

/** Horizontal axes that a reader may choose from. */
export type AxisName = 'step' | 'tokens' | 'time';

/** Where a line's records come from: every training step, or the evaluations. */
export type LineSource = 'step' | 'evaluation';

export interface Columns {
  /**
   * One list per choice of axis; tokens and time (in seconds) are missing where the log has none.
   */
  x: { step: number[]; tokens?: number[]; time?: number[] };
  /** By field of the metrics log; every list is as long as those of x. */
  y: Record<string, Column>;
}

/** The columns of one run. */
export interface RunColumns {
  step: Columns;
  /** Means of the stretches that a thinned log was cut into. */
  mean?: Columns;
  evaluation: Columns;
  /** Steps of warnings and resumptions. */
  marks: { step: number; kind: string }[];
}

export interface PageLine {
  label: string;
  /** Field of the metrics log. */
  field: string;
  from: LineSource;
  /** A curve without noise, such as a schedule. */
  smooth?: boolean;
  /** Index into `PageData.runs`. */
  run: number;
  /** Index of its color. */
  color: number;
}

export interface PageChart {
  /** Unique on the page. */
  id: string;
  title: string;
  unit?: string;
  lines: readonly PageLine[];
  /** Offers the logarithmic axis. */
  logarithmic?: boolean;
  /** Over the whole width, and taller. */
  wide?: boolean;
  /**
   * Charts of one group share their horizontal axis: they zoom together and show the same place.
   */
  group: string;
}

export interface PageData {
  charts: readonly PageChart[];
  runs: readonly RunColumns[];
}
