/** `report.html`: one file that opens from disk with no network, made from metrics.jsonl. */
import { readFileSync, renameSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileError } from '../native/errors.ts';
import type { JsonValue } from '../native/json.ts';
import { chartData } from './chart-data.ts';
import { formatCount, formatDuration, formatFlops, formatRate } from './format.ts';
import { type MetricRecord, readMetrics } from './metrics-log.ts';
import { pageScript, pageStyle } from './report-page.ts';

export interface ReportOptions {
  title: string;
  /** Shown as a table of name and value. */
  config?: Record<string, JsonValue>;
}

/** Writes `<folder>/report.html` from the folder's metrics. */
export function writeReport(folder: string, options: ReportOptions): void {
  const path = join(folder, 'report.html');
  const { records } = readMetrics(folder);
  try {
    writeFileSync(`${path}.tmp`, renderReport(records, options));
    renameSync(`${path}.tmp`, path);
  } catch (error) {
    throw fileError(error, path, 'write');
  }
}

/** The page for these records. Whatever they hold is shown as text and never run. */
export function renderReport(
  records: readonly MetricRecord[],
  { title, config = {} }: ReportOptions,
): string {
  const steps = records.filter((record) => record.event === undefined);
  const events = (name: string) => records.filter((record) => record.event === name);
  const evaluations = events('evaluation');
  const data = JSON.stringify(chartData(steps, evaluations)).replaceAll('<', '\\u003c');
  const { script, style } = uplot();
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${escapeHtml(title)}</title>
<style>${style}
${pageStyle}</style>
</head>
<body>
<header>
<h1>${escapeHtml(title)}</h1>
<button id="theme" type="button" aria-label="Switch between light and dark">Light / dark</button>
</header>
<main>
${cards(steps, evaluations)}
${charts()}
${samples(events('sample'))}
${warnings(events('warning'))}
${configuration(config)}
</main>
<footer>Made by athanor. Charts drawn with uPlot (MIT licence).</footer>
<script>${script}</script>
<script type="application/json" id="data">${data}</script>
<script>${pageScript}</script>
</body>
</html>
`;
}

function cards(steps: readonly MetricRecord[], evaluations: readonly MetricRecord[]): string {
  const last = steps.at(-1);
  if (!last) return '<p>No step was logged.</p>';
  const seconds = steps.reduce((sum, step) => sum + Number(step.seconds ?? 0), 0);
  const evaluation = evaluations.at(-1);
  const fixed = (value: unknown) => (typeof value === 'number' ? value.toFixed(3) : undefined);
  const rate = Number(last.tokens) / seconds;
  const flops = Math.max(...steps.map((step) => Number(step.flops_per_second ?? 0)));
  const entries: [string, string | undefined][] = [
    ['validation loss', fixed(evaluation?.val_loss)],
    ['bits per byte', fixed(evaluation?.bits_per_byte)],
    ['training loss', fixed(last.loss)],
    ['steps', formatCount(last.step)],
    ['tokens', formatCount(Number(last.tokens))],
    ['speed', formatRate(rate, 'tok')],
    ['best step', formatFlops(flops)],
    ['training time', formatDuration(seconds)],
  ];
  const shown = entries.filter(([, value]) => value !== undefined);
  return `<section class="cards">${shown
    .map(([label, value]) => `<div class="card"><b>${escapeHtml(value!)}</b><span>${label}</span></div>`)
    .join('')}</section>`;
}

function charts(): string {
  const chart = (id: string, label: string) =>
    `<figure><figcaption>${label}</figcaption><div class="chart" id="${id}" tabindex="0"></div></figure>`;
  return `<section>
<h2>Course of the run</h2>
<div class="controls" role="group" aria-label="Chart settings">
<label>x axis <select id="axis"><option value="step">step</option><option value="tokens">tokens</option><option value="time">time</option></select></label>
<label>smoothing <input id="smoothing" type="range" min="0" max="0.99" step="0.01" value="0.9"></label>
<label><input id="log" type="checkbox"> logarithmic loss</label>
<span class="hint">drag to zoom, double-click to reset</span>
</div>
<div class="charts">
${chart('loss', 'Loss (nats per token)')}
${chart('bits_per_byte', 'Bits per byte of validation text')}
${chart('lr', 'Learning rate')}
${chart('grad_norm', 'Gradient norm')}
${chart('tokens_per_second', 'Tokens per second')}
</div>
</section>`;
}

function samples(records: readonly MetricRecord[]): string {
  if (records.length === 0) return '';
  const items = records
    .toReversed()
    .map(
      ({ step, prompt, text }) =>
        `<article><h3>step ${formatCount(step)}</h3><p><b>${escapeHtml(String(prompt ?? ''))}</b>${escapeHtml(String(text ?? ''))}</p></article>`,
    );
  return `<section><h2>Samples, latest first</h2><div class="samples">${items.join('')}</div></section>`;
}

function warnings(records: readonly MetricRecord[]): string {
  if (records.length === 0) return '';
  const items = records.map(({ text }) => `<li>${escapeHtml(String(text))}</li>`);
  return `<section><h2>Warnings</h2><ul>${items.join('')}</ul></section>`;
}

function configuration(config: Record<string, JsonValue>): string {
  const rows = Object.entries(config).map(
    ([name, value]) =>
      `<tr><th scope="row">${escapeHtml(name.replaceAll('_', ' '))}</th><td>${escapeHtml(typeof value === 'string' ? value : JSON.stringify(value))}</td></tr>`,
  );
  return rows.length === 0
    ? ''
    : `<section><h2>Settings</h2><table class="settings">${rows.join('')}</table></section>`;
}

const entities: Record<string, string> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
};

export function escapeHtml(text: string): string {
  return text.replace(/[&<>"']/g, (character) => entities[character]!);
}

/** The chart library's own files, to be inlined. */
function uplot(): { script: string; style: string } {
  const folder = dirname(createRequire(import.meta.url).resolve('uplot/package.json'));
  const read = (name: string) => readFileSync(join(folder, 'dist', name), 'utf8');
  return { script: read('uPlot.iife.min.js'), style: read('uPlot.min.css') };
}
