import type { JsonValue } from '../../base/json.ts';
import type { ChartData } from '../chart-data.ts';
import type { ChartSpec } from '../chart-specs.ts';
import type { Figure } from '../figures.ts';
import type { Html } from '../html.ts';
import type { MetricRecord } from '../metrics-log.ts';

/** A page beside the report. */
export interface ReportLink {
  text: string;
  /** Relative to the report's folder. */
  href: string;
}

export interface ReportTable {
  title: string;
  columns: readonly string[];
  /** Numbers are set right-aligned. */
  rows: readonly (readonly (string | number | ReportLink)[])[];
  /** A sentence under the table. */
  note?: string;
}

export interface ReportOptions {
  title: string;
  /** A line under the title. */
  subtitle?: string;
  /** The run's settings, shown as names and values. */
  config?: Record<string, JsonValue>;
  /** What it ran on. Default: this machine. */
  environment?: Record<string, JsonValue>;
  /** Cards before those taken from the metrics; one of the same label replaces it. */
  summary?: readonly (readonly [label: string, value: string])[];
  /** What the machine can do at this run's precision, for the share of it that was reached. */
  peakFlopsPerSecond?: number;
  tables?: readonly ReportTable[];
  notes?: readonly string[];
  /** An open page loads itself anew after so many seconds, for a run that goes on. */
  refreshSeconds?: number;
  /** Charts of fields that only this stage logs. */
  charts?: readonly ChartSpec[];
}

/** What a section is made from. */
export interface ReportContext {
  options: ReportOptions;
  steps: readonly MetricRecord[];
  evaluations: readonly MetricRecord[];
  samples: readonly MetricRecord[];
  /** The newest of each title. */
  figures: readonly Figure[];
  /** Warnings and resumptions, in order. */
  marks: readonly MetricRecord[];
  /** Lines of the log that could not be read. */
  badLines: number;
  data: ChartData;
}

/** A part of the page; undefined where the run has nothing to show in it. */
export type Section = (report: ReportContext) => Html | undefined;
