/** Tables and notes of a stage, and lists of names with values: settings and environment. */

import { readFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import type { JsonValue } from '../../base/json.ts';
import { cpuInfo, memoryInfo } from '../../base/machine.ts';
import { packageRoot } from '../../base/package-root.ts';
import { formatBytes } from '../format.ts';
import { type Html, html } from '../html.ts';
import type { ReportLink, ReportTable, Section } from './section.ts';

export const tables: Section = ({ options }) => {
  const all = options.tables ?? [];
  return all.length === 0 ? undefined : html`${all.map(table)}`;
};

export const notes: Section = ({ options }) => {
  const all = options.notes ?? [];
  return all.length === 0
    ? undefined
    : html`<section><h2>Notes</h2>${all.map((note) => html`<p class="note">${note}</p>`)}</section>`;
};

export const settings: Section = ({ options }) => {
  const { config = {}, environment = thisMachine() } = options;
  const parts = [pairs('Settings', config), pairs('Environment', environment)].filter(
    (part) => part !== undefined,
  );
  return parts.length === 0 ? undefined : html`<div class="columns">${parts}</div>`;
};

function table({ title, columns, rows, note }: ReportTable): Html {
  const cell = (value: string | number | ReportLink) => {
    if (typeof value === 'object') return html`<td><a href="${value.href}">${value.text}</a></td>`;
    return typeof value === 'number' ? html`<td class="number">${value}</td>` : html`<td>${value}</td>`;
  };
  return html`<section><h2>${title}</h2><div class="scroll" tabindex="0" role="region" aria-label="${title}"><table>
<thead><tr>${columns.map((name) => html`<th scope="col">${name}</th>`)}</tr></thead>
<tbody>${rows.map((row) => html`<tr>${row.map(cell)}</tr>`)}</tbody>
</table></div>${note ? html`<p class="hint">${note}</p>` : undefined}</section>`;
}

function pairs(title: string, values: Record<string, JsonValue>): Html | undefined {
  const rows = Object.entries(values).map(
    ([name, value]) => html`<div><dt>${name.replaceAll('_', ' ')}</dt><dd>${shown(value)}</dd></div>`,
  );
  return rows.length === 0
    ? undefined
    : html`<section><h2>${title}</h2><dl class="pairs">${rows}</dl></section>`;
}

function shown(value: JsonValue): string {
  if (typeof value === 'string') return value;
  if (typeof value === 'boolean') return value ? 'yes' : 'no';
  return value === null ? 'none' : JSON.stringify(value);
}

function thisMachine(): Record<string, JsonValue> {
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
