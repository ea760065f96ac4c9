import type { JsonValue } from '../../base/json.ts';
import type { ChartSpec } from '../chart-specs.ts';
import type { Figure } from '../figures.ts';
import type { Html } from '../html.ts';
import type { MetricRecord } from '../metrics-log.ts';
import type { PageCharts } from '../page-charts.ts';

/** A page beside the report. */
export interface ReportLink {
  text: string;
  /** Relative to the report's folder. */
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
  /** A row's first cell says what the row is about: on a phone it is the heading of a card. */
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
  /** A line under the title. */
  subtitle?: string;
  /** The command line that repeats the run. */
  command?: string;
  /** The run's settings, shown as names and values. */
  config?: Record<string, JsonValue>;
  /** What it ran on. Default: this machine. */
  environment?: Record<string, JsonValue>;
  /** Cards before those taken from the metrics; one of the same label replaces it. */
  summary?: readonly (readonly [label: string, value: string])[];
  /** What the machine can do at this run's precision, for the share of it that was reached. */
  peakFlopsPerSecond?: number;
  /** Above the charts, before the figures that the log holds. */
  figures?: readonly Figure[];
  stages?: readonly ReportStage[];
  tables?: readonly ReportTable[];
  notes?: readonly string[];
  /** An open page is loaded again after this many seconds, for a run that goes on. */
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
  /** Those of the log, the newest of each title. */
  figures: readonly Figure[];
  /** Warnings and resumptions, in order. */
  marks: readonly MetricRecord[];
  /** Lines of the log that could not be read. */
  badLines: number;
  charts: PageCharts;
}

/** A part of the page; undefined where the run has nothing to show in it. */
export type Section = (report: ReportContext) => Html | undefined;
