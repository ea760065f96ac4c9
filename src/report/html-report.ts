/** `report.html`: the page of a run, made from metrics.jsonl. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { replaceFile } from '../base/files/replace-file.ts';
import { chartSpecsFor } from './chart-specs.ts';
import { newestFigures } from './figures.ts';
import { htmlPage } from './html-page.ts';
import { METRICS_FILE, type MetricRecord, readMetrics } from './metrics-log.ts';
import { chartsOfRun, type StageSource } from './page-charts.ts';
import { plainOptions, rememberedOptions } from './run-folder.ts';
import { charts } from './sections/charts.ts';
import { events } from './sections/events.ts';
import { figures, overview } from './sections/figures.ts';
import { samples } from './sections/samples.ts';
import type { ReportContext, ReportOptions, ReportStage, Section } from './sections/section.ts';
import { summary } from './sections/summary.ts';
import { notes, repetition, settings, tables, thisMachine } from './sections/tables.ts';

export type { ReportOptions, ReportTable } from './sections/section.ts';

/** The sections of the page, from top to bottom. */
const sections: readonly Section[] = [
  summary,
  events,
  overview,
  charts,
  figures,
  tables,
  samples,
  notes,
  repetition,
  settings,
];

/**
 * Writes `<folder>/report.html` from the folder's metrics. Without options the page is written
 * with its last options, which it holds, or else with the settings of `run.json`. Throws
 * ERR_FILE_MISSING, ERR_IO and ERR_DISK_FULL.
 */
export function writeReport(folder: string, options?: ReportOptions): void {
  const { records, badLines } = readMetrics(folder);
  const render = (known: ReportOptions) => {
    const stages = (known.stages ?? []).flatMap((stage) => stageSource(folder, stage) ?? []);
    return renderReport(records, known, { badLines, stages });
  };
  replaceFile(join(folder, 'report.html'), options ? render(options) : renderRemembered(folder, render));
}

/** A page whose memory is damaged is written without it. */
function renderRemembered(folder: string, render: (options: ReportOptions) => string): string {
  try {
    return render(rememberedOptions(folder));
  } catch (error) {
    if (!(error instanceof TypeError || error instanceof RangeError)) throw error;
    return render(plainOptions(folder));
  }
}

export interface RenderExtras {
  /** Lines of the log that could not be read. */
  badLines?: number;
  /** The logs of `options.stages`. */
  stages?: readonly StageSource[];
}

/**
 * The page for these records. Their texts are shown as text and never run. Throws
 * ERR_FILE_MISSING where the package is not built.
 */
export function renderReport(
  records: readonly MetricRecord[],
  given: ReportOptions,
  { badLines = 0, stages = [] }: RenderExtras = {},
): string {
  const options = { environment: thisMachine(), ...given };
  const report = contextOf(records, options, badLines, stages);
  const { title, subtitle, refreshSeconds } = options;
  return htmlPage({
    title,
    subtitle,
    refreshSeconds,
    sections: sections.map((section) => section(report)),
    data: report.charts.data,
    remembered: options,
  });
}

function stageSource(
  folder: string,
  { name, folder: at, charts: shown }: ReportStage,
): StageSource | undefined {
  if (!existsSync(join(folder, at, METRICS_FILE))) return undefined;
  const { records } = readMetrics(join(folder, at));
  return { ...sourceOf(records), specs: chartSpecsFor(records), name, charts: shown };
}

/** The records of a log, by kind. */
export function sourceOf(records: readonly MetricRecord[]) {
  return {
    steps: records.filter(({ event }) => event === undefined),
    evaluations: eventsOf(records, 'evaluation'),
    marks: eventsOf(records, 'warning', 'resume'),
  };
}

function eventsOf(records: readonly MetricRecord[], ...names: string[]): MetricRecord[] {
  return records.filter(({ event }) => event !== undefined && names.includes(event));
}

function contextOf(
  records: readonly MetricRecord[],
  options: ReportOptions,
  badLines: number,
  stages: readonly StageSource[],
): ReportContext {
  const source = sourceOf(records);
  const specs = [...chartSpecsFor(records), ...(options.charts ?? [])];
  return {
    options,
    ...source,
    samples: eventsOf(records, 'sample'),
    badLines,
    charts: chartsOfRun({ ...source, specs }, stages),
    figures: newestFigures(eventsOf(records, 'figure')),
  };
}
