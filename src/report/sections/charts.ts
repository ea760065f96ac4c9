/** The frame of the charts and their controls. The page's script draws into it. */
import type { ChartSpec } from '../chart-specs.ts';
import { type Html, html } from '../html.ts';
import type { ReportContext, Section } from './section.ts';

export const charts: Section = (report) => {
  const { data } = report;
  if (data.charts.length === 0) return undefined;
  const figures = data.charts.map((spec) => figure(spec, report));
  return html`<section aria-labelledby="course">
<h2 id="course">Course of the run</h2>
${toolbar(report)}
<div class="charts">${figures}</div>
<noscript><p class="empty">The charts need JavaScript. Their numbers are in metrics.jsonl beside this page.</p></noscript>
<p id="announce" class="unseen" aria-live="polite"></p>
</section>`;
};

function toolbar({ data }: ReportContext): Html {
  const names = { step: 'Steps', tokens: 'Tokens', time: 'Time' };
  const choices = Object.entries(names).filter(([key]) => key in data.step.x || key in data.evaluation.x);
  const choice = ([key, name]: [string, string]) =>
    html`<label><input type="radio" name="axis" value="${key}"${key === 'step' ? html` checked` : undefined}><span>${name}</span></label>`;
  const logarithmic = data.charts.some((spec) => spec.logarithmic)
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

function figure({ id, title, unit, wide, lines }: ChartSpec, { data }: ReportContext): Html {
  const described = lines.map(({ field, label, from }) => {
    const values = data[from].y[field]!.filter((value) => value !== null);
    const lowest = values.reduce((low, value) => Math.min(low, value), Number.POSITIVE_INFINITY);
    return `${label} from ${values[0]} to ${values.at(-1)}, lowest ${lowest}`;
  });
  return html`<figure${wide ? html` class="wide"` : undefined}>
<figcaption>${title}${unit ? html` <small>${unit}</small>` : undefined}</figcaption>
<div class="chart" id="chart-${id}" role="img" tabindex="0" aria-label="${title}: ${described.join('; ')}"></div>
</figure>`;
}
