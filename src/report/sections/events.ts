/**
 * Warnings, resumptions and errors of the log itself. They stand above the charts, where a
 * reader sees them.
 */
import { exactCount } from '../format.ts';
import { html } from '../html.ts';
import type { MetricRecord } from '../metrics-log.ts';
import type { Section } from './section.ts';

const MAX_SHOWN = 100;
/** If there are more, the list is folded. */
const MAX_OPEN = 3;

export const events: Section = ({ marks, badLines }) => {
  const lines = marks.slice(0, MAX_SHOWN).map(describe);
  if (marks.length > MAX_SHOWN) lines.push(`and ${marks.length - MAX_SHOWN} more, in metrics.jsonl`);
  if (badLines > 0)
    lines.push(`${badLines} line${badLines === 1 ? '' : 's'} of metrics.jsonl could not be read`);
  if (lines.length === 0) return undefined;
  const warnings = marks.filter(({ event }) => event === 'warning').length;
  const heading = warnings === 0 ? 'Events' : `${exactCount(warnings)} warning${warnings === 1 ? '' : 's'}`;
  const open = lines.length <= MAX_OPEN ? html` open` : undefined;
  return html`<details class="events"${open}><summary>${heading}</summary><ul>${lines.map((line) => html`<li>${line}</li>`)}</ul></details>`;
};

function describe({ event, step, text }: MetricRecord): string {
  if (event === 'resume') return `step ${exactCount(step)}: resumed${text ? `: ${text}` : ''}`;
  return String(text ?? `step ${exactCount(step)}: ${event}`);
}
