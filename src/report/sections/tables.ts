/** Tables and notes of a stage, and lists of names with values: settings and environment. */

import { readFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import type { JsonValue } from '../../base/json.ts';
import { cpuInfo, memoryInfo } from '../../base/machine.ts';
import { packageRoot } from '../../base/package-root.ts';
import { formatBytes } from '../format.ts';
import { type Html, html } from '../html.ts';
import type { MarkedText, ReportCell, ReportLink, ReportTable, Section } from './section.ts';

export const tables: Section = ({ options }) => {
  const all = options.tables ?? [];
  return all.length === 0 ? undefined : html`${all.map(table)}`;
};

export const repetition: Section = ({ options: { command } }) =>
  command === undefined
    ? undefined
    : html`<section><h2>Repeat this run</h2><code class="command">${command}</code></section>`;

export const notes: Section = ({ options }) => {
  const all = options.notes ?? [];
  return all.length === 0
    ? undefined
    : html`<section><h2>Notes</h2>${all.map((note) => html`<p class="note">${note}</p>`)}</section>`;
};

export const settings: Section = ({ options }) => {
  const { config = {}, environment = {} } = options;
  const parts = [pairs('Settings', config), pairs('Environment', environment)].filter(
    (part) => part !== undefined,
  );
  return parts.length === 0 ? undefined : html`<div class="columns">${parts}</div>`;
};

export function table({ title, columns, rows, note }: ReportTable): Html {
  return html`<section><h2>${title}</h2><div class="scroll" tabindex="0" role="region" aria-label="${title}"><table>
<thead><tr>${columns.map((name) => html`<th scope="col">${name}</th>`)}</tr></thead>
<tbody>${rows.map((row) => html`<tr>${row.map((value, i) => cell(value, i === 0 ? undefined : columns[i]))}</tr>`)}</tbody>
</table></div>${note ? html`<p class="hint">${note}</p>` : undefined}</section>`;
}

/**
 * A cell knows its column's name, which stands beside it where a narrow screen has no room for
 * columns.
 */
function cell(value: ReportCell, column: string | undefined): Html {
  const label = column === undefined ? undefined : html` data-label="${column}"`;
  if (typeof value === 'number') return html`<td class="number"${label}>${value}</td>`;
  return html`<td${label}>${label ? html`<span>${content(value)}</span>` : content(value)}</td>`;
}

function content(value: string | ReportLink | MarkedText): Html | string {
  if (typeof value === 'string') return value;
  if ('href' in value) return html`<a href="${value.href}">${value.text}</a>`;
  const [name, sign] = value.isRight ? ['right', '✓'] : ['wrong', '✗'];
  return html`<span class="mark ${name}" role="img" aria-label="${name}">${sign}</span>${value.text}`;
}

function pairs(title: string, values: Record<string, JsonValue>): Html | undefined {
  const rows = Object.entries(values).map(
    ([name, value]) => html`<div><dt>${name.replaceAll('_', ' ')}</dt><dd>${shownValue(value)}</dd></div>`,
  );
  return rows.length === 0
    ? undefined
    : html`<section><h2>${title}</h2><dl class="pairs">${rows}</dl></section>`;
}

/** A setting as a reader sees it. */
export function shownValue(value: JsonValue): string {
  if (typeof value === 'string') return value;
  if (typeof value === 'boolean') return value ? 'yes' : 'no';
  return value === null ? 'none' : JSON.stringify(value);
}

/** What a run on this machine ran on. */
export function thisMachine(): Record<string, JsonValue> {
  const { model, features } = cpuInfo();
  const { version } = JSON.parse(readFileSync(join(packageRoot, 'package.json'), 'utf8')) as {
    version: string;
  };
  return {
    athanor: version,
    node: process.versions.node,
    system: `${process.platform} ${process.arch}`,
    processor: model,
    cores: availableParallelism(),
    ...(features.length > 0 && { features: features.join(' ') }),
    memory: formatBytes(memoryInfo().limit ?? memoryInfo().total),
  };
}
