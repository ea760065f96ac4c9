/** The frame of the charts and their controls. page/main.ts draws into it. */
import { formatCount } from '../format.ts';
import { type Html, html } from '../html.ts';
import type { Constant, PageCharts } from '../page-charts.ts';
import type { PageChart, PageData } from '../page-data.ts';
import type { Section } from './section.ts';

export const charts: Section = ({ charts: all }) => chartSection(all, 'Course of the run');

/** Undefined where there is nothing to draw. */
export function chartSection({ data, constants }: PageCharts, title: string): Html | undefined {
  if (data.charts.length === 0) return undefined;
  const figures = data.charts.map((chart) => figure(chart, data));
  return html`<section aria-labelledby="course">
<h2 id="course">${title}</h2>
${toolbar(data)}
<div class="charts">${figures}</div>
${constants.length > 0 ? constantNote(constants) : undefined}
<noscript><p class="empty">The charts need JavaScript. Their numbers are in metrics.jsonl beside this page.</p></noscript>
<p id="announce" class="unseen" aria-live="polite"></p>
</section>`;
}

function constantNote(constants: readonly Constant[]): Html {
  const list = constants.map(({ title, value }) => `${title} ${shown(value)}`).join(', ');
  return html`<p class="hint">Constant, and not drawn: ${list}.</p>`;
}

function shown(value: number): string {
  return Math.abs(value) < 1000 ? String(value) : formatCount(value);
}

function toolbar({ charts: all, runs }: PageData): Html {
  const names = { step: 'Steps', tokens: 'Tokens', time: 'Time' };
  const has = (axis: string) => runs.some(({ step, evaluation }) => axis in step.x || axis in evaluation.x);
  const choices = Object.entries(names).filter(([key]) => has(key));
  const choice = ([key, name]: [string, string]) =>
    html`<label><input type="radio" name="axis" value="${key}"${key === 'step' ? html` checked` : undefined}><span>${name}</span></label>`;
  const logarithmic = all.some((chart) => chart.logarithmic)
    ? html`<label class="check"><input id="log" type="checkbox"> Logarithmic loss</label>`
    : undefined;
  return html`<div class="toolbar">
<fieldset class="segments"><legend class="unseen">Horizontal axis</legend>${choices.map(choice)}</fieldset>
<label class="slider">Smoothing <input id="smoothing" type="range" min="0" max="0.98" step="0.02" value="0.8"><output id="smoothing-value"></output></label>
${logarithmic}
<button id="reset" type="button" disabled>Reset zoom</button>
<span class="hint">Drag to zoom, double-click to reset. With the keyboard: arrows, + and −, Escape.</span>
</div>`;
}

function figure({ id, title, unit, wide, lines }: PageChart, { runs }: PageData): Html {
  const described = lines.map(({ field, label, from, run }) => {
    const values = runs[run]![from].y[field]!.filter((value) => value !== null);
    const lowest = values.reduce((low, value) => Math.min(low, value), Number.POSITIVE_INFINITY);
    return `${label} from ${values[0]} to ${values.at(-1)}, lowest ${lowest}`;
  });
  return html`<figure${wide ? html` class="wide"` : undefined}>
<figcaption>${title}${unit ? html` <small>${unit}</small>` : undefined}</figcaption>
<div class="chart" id="chart-${id}" role="img" tabindex="0" aria-label="${title}: ${described.join('; ')}"></div>
</figure>`;
}
