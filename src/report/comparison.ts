/** One page for several runs: their figures in a table, their lines in the same charts. */
import { existsSync } from 'node:fs';
import { dirname, join, relative, resolve, sep } from 'node:path';
import { AthanorError } from '../base/errors.ts';
import { replaceFile } from '../base/files/replace-file.ts';
import type { JsonValue } from '../base/json.ts';
import { chartSpecsFor } from './chart-specs.ts';
import type { Html } from './html.ts';
import { htmlPage } from './html-page.ts';
import { sourceOf } from './html-report.ts';
import { type MetricRecord, requireMetrics } from './metrics-log.ts';
import { chartsOfComparison } from './page-charts.ts';
import { namedSettings, readSettings } from './run-folder.ts';
import { chartSection } from './sections/charts.ts';
import type { ReportCell, ReportLink } from './sections/section.ts';
import { runCards } from './sections/summary.ts';
import { shownValue, table } from './sections/tables.ts';

export interface ComparisonOptions {
  /** The page's file. */
  out: string;
  /** Default: the names of the runs. */
  title?: string;
}

export interface ComparedRun {
  name: string;
  records: readonly MetricRecord[];
  /** What the run was started with; empty where it is not known. */
  settings: Record<string, JsonValue>;
  /** The run's own page, relative to this one. */
  href?: string | undefined;
}

/**
 * Writes a page that lays the runs in these folders over each other: the figures of each, one chart
 * for each metric with one line per run, and the settings in which the runs differ. Runs are named
 * by their folders. Returns the names. Throws ERR_ARGUMENT for fewer than two folders,
 * ERR_FILE_MISSING for a folder without a metrics log, ERR_FORMAT for a log without a record,
 * ERR_IO and ERR_DISK_FULL.
 */
export function writeComparison(folders: readonly string[], { out, title }: ComparisonOptions): string[] {
  if (folders.length < 2) {
    throw new AthanorError(
      'ERR_ARGUMENT',
      'a comparison needs at least two runs',
      'name two or more folders',
    );
  }
  const names = runNames(folders);
  const runs = folders.map((folder, i) => comparedRun(folder, names[i]!, out));
  replaceFile(out, renderComparison(runs, title));
  return names;
}

function comparedRun(folder: string, name: string, out: string): ComparedRun {
  const run = readSettings(folder);
  const page = join(folder, 'report.html');
  return {
    name,
    records: requireMetrics(folder),
    settings: run ? { stage: run.stage, ...namedSettings(run.settings) } : {},
    href: existsSync(page) ? relative(dirname(resolve(out)), resolve(page)).replaceAll(sep, '/') : undefined,
  };
}

/** The page for these runs. */
export function renderComparison(runs: readonly ComparedRun[], title?: string): string {
  const charts = chartsOfComparison(
    runs.map(({ name, records }) => ({ ...sourceOf(records), specs: chartSpecsFor(records), name })),
  );
  return htmlPage({
    title: title ?? runs.map(({ name }) => name).join(', '),
    subtitle: `${runs.length} runs`,
    sections: [figureTable(runs), chartSection(charts, 'Courses of the runs'), settingTable(runs)],
    data: charts.data,
  });
}

/** Of each folder the shortest end of its path that no other has. */
export function runNames(folders: readonly string[]): string[] {
  const paths = folders.map((folder) => resolve(folder).split(sep));
  return paths.map((path, i) => {
    const others = paths.filter((_, j) => j !== i);
    const tail = (parts: readonly string[], count: number) => parts.slice(-count).join('/');
    const count = path.findIndex((_, n) => others.every((other) => tail(other, n + 1) !== tail(path, n + 1)));
    return count < 0 ? `${tail(path, 1)} (${i + 1})` : tail(path, count + 1);
  });
}

function figureTable(runs: readonly ComparedRun[]): Html {
  const cards = runs.map(({ records }) => runCards({ ...sourceOf(records), options: {} }));
  const labels = [...new Set(cards.flatMap((own) => own.map(({ label }) => label)))];
  const rows = runs.map((run, i): ReportCell[] => [
    nameCell(run),
    ...labels.map((label) => cards[i]!.find((card) => card.label === label)?.value ?? '–'),
  ]);
  return table({ title: 'Figures', columns: ['run', ...labels], rows });
}

function nameCell({ name, href }: ComparedRun): string | ReportLink {
  return href === undefined ? name : { text: name, href };
}

/** The settings in which the runs differ; undefined where they have none or differ in none. */
function settingTable(runs: readonly ComparedRun[]): Html | undefined {
  const keys = [...new Set(runs.flatMap(({ settings }) => Object.keys(settings)))];
  const shownIn = ({ settings }: ComparedRun, key: string) =>
    settings[key] === undefined ? '–' : shownValue(settings[key]);
  const differing = keys.filter((key) => new Set(runs.map((run) => shownIn(run, key))).size > 1);
  if (differing.length === 0) return undefined;
  return table({
    title: 'Settings that differ',
    columns: ['setting', ...runs.map(({ name }) => name)],
    rows: differing.map((key) => [key.replaceAll('_', ' '), ...runs.map((run) => shownIn(run, key))]),
  });
}
