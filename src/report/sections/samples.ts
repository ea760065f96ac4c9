/** Samples of the model in order, so that a reader can see its progress. */
import { exactCount } from '../format.ts';
import { type Html, html } from '../html.ts';
import type { MetricRecord } from '../metrics-log.ts';
import type { Section } from './section.ts';

/** Limits of the page's content; metrics.jsonl has everything. */
const MAX_STEPS = 60;
const MAX_CHARACTERS = 1500;
const MAX_PER_STEP = 8;
/** Steps shown open at the beginning and at the end; the others unfold. */
const OPEN_FIRST = 2;
const OPEN_LAST = 3;

export const samples: Section = ({ samples: records }) => {
  if (records.length === 0) return undefined;
  const bySteps = new Map<number, MetricRecord[]>();
  for (const record of records) bySteps.set(record.step, [...(bySteps.get(record.step) ?? []), record]);
  const all = [...bySteps];
  const groups = evenly(all, MAX_STEPS);
  const note =
    groups.length < all.length
      ? html`<p class="hint">${groups.length} of ${all.length} steps with samples; metrics.jsonl has them all.</p>`
      : undefined;
  const items = groups.map(group);
  const folded = items.slice(OPEN_FIRST, -OPEN_LAST);
  const body =
    folded.length < 2
      ? html`<ol class="samples">${items}</ol>`
      : html`<ol class="samples">${items.slice(0, OPEN_FIRST)}</ol>
<details class="more"><summary>${folded.length} more steps</summary><ol class="samples">${folded}</ol></details>
<ol class="samples">${items.slice(-OPEN_LAST)}</ol>`;
  return html`<section aria-labelledby="samples"><h2 id="samples">Samples</h2>${note}${body}</section>`;
};

function group([step, records]: [number, readonly MetricRecord[]]): Html {
  const left = records.length - MAX_PER_STEP;
  return html`<li><h3>Step ${exactCount(step)}</h3><div>${records.slice(0, MAX_PER_STEP).map(sample)}${
    left > 0 ? html`<p class="hint">and ${left} more</p>` : undefined
  }</div></li>`;
}

function sample({ prompt, text }: MetricRecord): Html {
  return html`<div class="sample">
<p class="prompt" dir="auto">${cut(String(prompt ?? ''))}</p>
<p class="answer" dir="auto">${cut(String(text ?? '').trim())}</p>
</div>`;
}

function cut(text: string): string {
  return text.length <= MAX_CHARACTERS ? text : `${text.slice(0, MAX_CHARACTERS)}…`;
}

/** At most `count` items, spread evenly, including the first and the last. */
function evenly<T>(items: readonly T[], count: number): readonly T[] {
  if (items.length <= count) return items;
  return Array.from({ length: count }, (_, i) => items[Math.round((i * (items.length - 1)) / (count - 1))]!);
}
