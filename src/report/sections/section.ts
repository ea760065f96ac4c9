import type { JsonValue } from '../../base/json.ts';
import type { ChartSpec } from '../chart-specs.ts';
import type { Figure } from '../figures.ts';
import type { Html } from '../html.ts';
import type { MetricRecord } from '../metrics-log.ts';
import type { PageCharts } from '../page-charts.ts';

/** A link to another page. */
export interface ReportLink {
  text: string;
  /** Path relative to the report's folder. */
  href: string;
}

/** An answer with a mark before it. */
export interface MarkedText {
  text: string;
  isRight: boolean;
}

/** Numbers are set right-aligned. */
export type ReportCell = string | number | ReportLink | MarkedText;

export interface ReportTable {
  title: string;
  columns: readonly string[];
  /**
   * Rows of cells; numbers are right-aligned. On a phone the first cell is the heading of a card.
   */
  rows: readonly (readonly ReportCell[])[];
  /** A sentence under the table. */
  note?: string;
}

/** A run in another folder, some of whose charts are on this page too. */
export interface ReportStage {
  /** Begins the titles of its charts. */
  name: string;
  /** Relative to the report's folder; a folder without a metrics log is passed over. */
  folder: string;
  /** Ids of its charts. */
  charts: readonly string[];
}

export interface ReportOptions {
  title: string;
  /** The line under the title. */
  subtitle?: string;
  /** The command line that repeats the run. */
  command?: string;
  /** The run's settings, shown as names and values. */
  config?: Record<string, JsonValue>;
  /** The machine and versions of the run. Default: this machine. */
  environment?: Record<string, JsonValue>;
  /** Cards before those of the metrics. A card replaces one with the same label. */
  summary?: readonly (readonly [label: string, value: string])[];
  /**
   * Peak FLOP/s of the machine at the run's precision, for the share that was reached. A run that
   * was faster shows none: the peak was measured in a bad moment.
   */
  peakFlopsPerSecond?: number;
  /** Above the charts, before the figures that the log holds. */
  figures?: readonly Figure[];
  stages?: readonly ReportStage[];
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
  charts: PageCharts;
}

/** Makes a part of the page; undefined when the run has nothing to show in it. */
export type Section = (report: ReportContext) => Html | undefined;
