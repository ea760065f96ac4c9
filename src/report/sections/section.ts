import type { JsonValue } from '../../base/json.ts';
import type { ChartData } from '../chart-data.ts';
import type { ChartSpec } from '../chart-specs.ts';
import type { Figure } from '../figures.ts';
import type { Html } from '../html.ts';
import type { MetricRecord } from '../metrics-log.ts';

/** A link to another page. */
export interface ReportLink {
  text: string;
  /** Path relative to the report's folder. */
  href: string;
}

export interface ReportTable {
  title: string;
  columns: readonly string[];
  /** Rows of cells; numbers are right-aligned. */
  rows: readonly (readonly (string | number | ReportLink)[])[];
  /** A sentence under the table. */
  note?: string;
}

export interface ReportOptions {
  title: string;
  /** The line under the title. */
  subtitle?: string;
  /** The run's settings: names and values. */
  config?: Record<string, JsonValue>;
  /** The machine and versions of the run. Default: this machine. */
  environment?: Record<string, JsonValue>;
  /** Cards before those of the metrics. A card replaces one with the same label. */
  summary?: readonly (readonly [label: string, value: string])[];
  /** Peak FLOP/s of the machine at the run's precision, for the share that was reached. */
  peakFlopsPerSecond?: number;
  tables?: readonly ReportTable[];
  notes?: readonly string[];
  /** An open page reloads after this many seconds, while a run continues. */
  refreshSeconds?: number;
  /** Charts of fields that only this stage logs. */
  charts?: readonly ChartSpec[];
}

/** The data of a section. */
export interface ReportContext {
  options: ReportOptions;
  steps: readonly MetricRecord[];
  evaluations: readonly MetricRecord[];
  samples: readonly MetricRecord[];
  /** The newest figure of each title. */
  figures: readonly Figure[];
  /** Warnings and resumptions, in order. */
  marks: readonly MetricRecord[];
  /** Number of lines of the log that could not be read. */
  badLines: number;
  data: ChartData;
}

/** Makes a part of the page; undefined when the run has nothing to show in it. */
export type Section = (report: ReportContext) => Html | undefined;
