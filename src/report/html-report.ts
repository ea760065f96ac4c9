/** `report.html`: one file, made from metrics.jsonl, that opens from disk without a network. */
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { replaceFile } from '../base/files/replace-file.ts';
import { chartData } from './chart-data.ts';
import { chartSpecs } from './chart-specs.ts';
import { newestFigures } from './figures.ts';
import { Html, html, scriptJson } from './html.ts';
import { type MetricRecord, readMetrics } from './metrics-log.ts';
import { pageScript } from './page/script.ts';
import { pageStyle } from './page/style.ts';
import { charts } from './sections/charts.ts';
import { events } from './sections/events.ts';
import { figures } from './sections/figures.ts';
import { samples } from './sections/samples.ts';
import type { ReportContext, ReportOptions, Section } from './sections/section.ts';
import { summary } from './sections/summary.ts';
import { notes, settings, tables } from './sections/tables.ts';

export type { ReportOptions, ReportTable } from './sections/section.ts';

/** The sections of the page, from top to bottom. */
const sections: readonly Section[] = [summary, events, charts, figures, tables, samples, notes, settings];

/**
 * Writes `<folder>/report.html` from the folder's metrics. Throws ERR_FILE_MISSING,
 * ERR_IO and ERR_DISK_FULL.
 */
export function writeReport(folder: string, options: ReportOptions): void {
  const { records, badLines } = readMetrics(folder);
  replaceFile(join(folder, 'report.html'), renderReport(records, options, badLines));
}

/** The page for these records. Their texts are shown as text and never run. */
export function renderReport(records: readonly MetricRecord[], options: ReportOptions, badLines = 0): string {
  const report = contextOf(records, options, badLines);
  const { title, subtitle, refreshSeconds } = options;
  const { library, licence, style } = uplot();
  const scripts = [`/*\n${licence}*/\n${library}`, pageScript];
  // The hashes of the page's own scripts. The browser runs no other script, and the page cannot
  // reach anything outside itself.
  const policy = `default-src 'none'; style-src 'unsafe-inline'; script-src ${scripts.map(sourceHash).join(' ')}`;
  const page = html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="${policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">${refreshSeconds ? html`<meta http-equiv="refresh" content="${refreshSeconds}">` : undefined}
<title>${title}</title>
<style>${new Html(`${style}\n${pageStyle}`)}</style>
</head>
<body>
<header>
<div><p class="brand">Athanor</p><h1>${title}</h1>${subtitle ? html`<p class="subtitle">${subtitle}</p>` : undefined}</div>
<button id="theme" type="button" aria-label="Switch between light and dark" title="Light or dark"><span aria-hidden="true">◐</span></button>
</header>
<main>
${sections.map((section) => section(report))}
</main>
<footer>Written on ${new Date().toISOString().slice(0, 16).replace('T', ' ')} UTC. Charts by uPlot (MIT licence).</footer>
<script>${new Html(scripts[0]!)}</script>
<script type="application/json" id="data">${scriptJson(report.data)}</script>
<script>${new Html(scripts[1]!)}</script>
</body>
</html>
`;
  return page.text;
}

function contextOf(
  records: readonly MetricRecord[],
  options: ReportOptions,
  badLines: number,
): ReportContext {
  const events = (...names: string[]) =>
    records.filter(({ event }) => event !== undefined && names.includes(event));
  const steps = records.filter(({ event }) => event === undefined);
  const evaluations = events('evaluation');
  const marks = events('warning', 'resume');
  const data = chartData({ steps, evaluations, marks }, [...chartSpecs, ...(options.charts ?? [])]);
  return {
    options,
    steps,
    evaluations,
    samples: events('sample'),
    marks,
    badLines,
    data,
    figures: newestFigures(events('figure')),
  };
}

function sourceHash(script: string): string {
  return `'sha256-${createHash('sha256').update(script).digest('base64')}'`;
}

/** The files of the chart library, which become part of the page. */
function uplot(): { library: string; licence: string; style: string } {
  const folder = dirname(createRequire(import.meta.url).resolve('uplot/package.json'));
  const read = (name: string) => readFileSync(join(folder, name), 'utf8');
  return {
    library: read('dist/uPlot.iife.min.js'),
    licence: read('LICENSE'),
    style: read('dist/uPlot.min.css'),
  };
}
