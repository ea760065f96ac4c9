/** Drawings of distributions in the page itself. They do not move, so they need no script. */
import type {
  BarFigure,
  BinnedFigure,
  CalibrationFigure,
  Figure,
  HistogramFigure,
  ShareFigure,
} from '../figures.ts';
import { exactCount, formatCount } from '../format.ts';
import { type Html, html } from '../html.ts';
import { areaPath, binned, type Frame, frameOf, ticksOf } from './plane.ts';
import type { Section } from './section.ts';

/** Those that the stage hands over, without a heading of their own: they belong to the cards. */
export const overview: Section = ({ options: { figures: all = [] } }) =>
  all.length === 0 ? undefined : html`<div class="charts overview">${all.map(drawn)}</div>`;

export const figures: Section = ({ figures: all }) =>
  all.length === 0
    ? undefined
    : html`<section aria-labelledby="figures">
<h2 id="figures">At the last evaluation</h2>
<div class="charts">${all.map(drawn)}</div>
</section>`;

/** A figure with its title. */
export function drawn(figure: Figure): Html {
  const unit = 'unit' in figure ? figure.unit : undefined;
  return html`<figure>
<figcaption>${figure.title}${unit ? html` <small>${unit}</small>` : undefined}</figcaption>
${drawing(figure)}
</figure>`;
}

function drawing(figure: Figure): Html {
  switch (figure.kind) {
    case 'histogram':
      return histogram(figure);
    case 'calibration':
      return calibration(figure);
    case 'bars':
      return bars(figure);
    case 'shares':
      return shares(figure);
    case 'binned':
      return binnedCounts(figure);
  }
}

function colorAt(i: number): string {
  return `var(--series-${(i % 8) + 1})`;
}

/** Shares of each series in common bins. Values that are not finite are left out. */
function histogram({ title, series, bins = 40 }: HistogramFigure): Html {
  const { edges, shares } = binned(
    series.map(({ values }) => values),
    bins,
  );
  const most = Math.max(...shares.flat(), 0);
  const frame = frameOf([edges[0]!, edges.at(-1)!], [0, most || 1]);
  const areas = shares.map((heights, i) => {
    const color = colorAt(i);
    return html`<path d="${areaPath(frame, edges, heights)}" fill="${color}" fill-opacity=".28" stroke="${color}"/>`;
  });
  const keys = series.map(({ label, values }, i) => key(`${label} (${values.length})`, i));
  const described = series.map(({ label, values }) => `${label}: ${values.length} values`);
  return html`<p class="keys">${keys}</p>${plot(frame, `${title}. ${described.join('; ')}`, areas, percent)}`;
}

/**
 * Observed against predicted shares, with 95 % intervals. On the diagonal they are equal. Bins
 * whose numbers are not finite are left out.
 */
function calibration({ title, bins: all }: CalibrationFigure): Html {
  const bins = all.filter((bin) => Object.values(bin).every(Number.isFinite));
  const frame = frameOf([0, 1], [0, 1]);
  const { x, y } = frame;
  const points = bins.map(({ predicted, observed, low, high, count }) => {
    const text = `predicted ${percent(predicted)}, came true ${percent(observed)} of ${count}`;
    return html`<g stroke="var(--series-1)"><title>${text}</title><line x1="${x(predicted)}" x2="${x(predicted)}" y1="${y(low)}" y2="${y(high)}"/><circle cx="${x(predicted)}" cy="${y(observed)}" r="4" fill="var(--series-1)"/></g>`;
  });
  const diagonal = html`<line x1="${x(0)}" y1="${y(0)}" x2="${x(1)}" y2="${y(1)}" stroke="var(--soft)" stroke-dasharray="4 4"/>`;
  const described = bins.map(({ predicted, observed }) => `${percent(predicted)}: ${percent(observed)}`);
  return plot(frame, `${title}. ${described.join('; ')}`, [diagonal, ...points], percent, percent);
}

/** Shares with their intervals and their numbers of cases. What is not finite is not drawn. */
function bars({ title, bars: all }: BarFigure): Html {
  const frame = frameOf([0, all.length], [0, 1], 44);
  const { x, y } = frame;
  const columns = all.map(({ label, value, low, high, count }, i) => {
    const [left, middle] = [x(i + 0.2), x(i + 0.5)];
    const bar = isNumber(value)
      ? html`<rect x="${left}" y="${y(value)}" width="${x(i + 0.8) - left}" height="${y(0) - y(value)}" fill="var(--series-1)" fill-opacity=".55"/>`
      : undefined;
    const interval =
      isNumber(low) && isNumber(high)
        ? html`<line x1="${middle}" x2="${middle}" y1="${y(low)}" y2="${y(high)}" stroke="var(--ink)"/>`
        : undefined;
    const below = isNumber(count) ? html`<text x="${middle}" y="${y(0) + 32}">${count}</text>` : undefined;
    return html`<g text-anchor="middle"><title>${label}: ${percent(value)}</title>${bar}${interval}<text x="${middle}" y="${y(0) + 16}">${label}</text>${below}</g>`;
  });
  const described = all.map(
    ({ label, value, count }) => `${label}: ${percent(value)} of ${isNumber(count) ? count : '?'}`,
  );
  return plot(frame, `${title}. ${described.join('; ')}`, columns, percent, null);
}

/** Horizontal bars, each with its share beside it, which a phone can show too. */
function shares({ series, rows }: ShareFigure): Html {
  const bar = (value: number, i: number) => {
    const width = isNumber(value) ? 100 * value : 0;
    const share = isNumber(value) ? `${(100 * value).toFixed(1)} %` : 'none';
    return html`<dd title="${series[i]}"><span class="bar"><i class="bar-fill" style="width:${width}%;background:${colorAt(i)}"></i></span><span class="share">${share}</span></dd>`;
  };
  const items = rows.map(({ label, values }) => html`<div><dt>${label}</dt>${values.map(bar)}</div>`);
  return html`<p class="keys">${series.map(key)}</p><dl class="bars">${items}</dl>`;
}

/** Counts of each series on top of the one before, over the bins that have any, and the limit. */
function binnedCounts({ title, edges: all, series, threshold, logarithmic = false }: BinnedFigure): Html {
  const place = (value: number) => (logarithmic ? Math.log2(value) : value);
  const total = all.slice(1).map((_, i) => series.reduce((sum, { counts }) => sum + counts[i]!, 0));
  const isShown = total.map(
    (count, i) => count > 0 || (threshold !== undefined && threshold >= all[i]! && threshold <= all[i + 1]!),
  );
  const [first, last] = [Math.max(0, isShown.indexOf(true)), isShown.lastIndexOf(true)];
  const edges = all.slice(first, last + 2).map(place);
  const frame = frameOf([edges[0] ?? 0, edges.at(-1) ?? 1], [0, Math.max(1, ...total)]);
  let below = total.slice(first, last + 1).map(() => 0);
  const layers = series.map(({ counts }, i) => {
    below = below.map((height, bin) => height + counts[first + bin]!);
    return { path: areaPath(frame, edges, below), color: colorAt(i) };
  });
  // The highest layer is drawn first, behind the others.
  const areas = layers
    .reverse()
    .map(({ path, color }) => html`<path d="${path}" fill="${color}" stroke="${color}"/>`);
  const { x, y, range } = frame;
  const limit =
    threshold === undefined
      ? undefined
      : html`<line x1="${x(place(threshold))}" x2="${x(place(threshold))}" y1="${y(range[0])}" y2="${y(range[1])}" stroke="var(--ink)" stroke-dasharray="4 3"/>`;
  const sums = series.map(({ counts }) => counts.reduce((sum, count) => sum + count, 0));
  const keys = series.map(({ label }, i) => key(`${label} (${exactCount(sums[i]!)})`, i));
  const described = series.map(({ label }, i) => `${label}: ${sums[i]}`);
  const limitText = threshold === undefined ? '' : `; threshold ${threshold}`;
  const along = (value: number) => formatShort(logarithmic ? 2 ** value : value);
  return html`<p class="keys">${keys}</p>${plot(frame, `${title}. ${described.join('; ')}${limitText}`, [...areas, ...(limit ? [limit] : [])], formatShort, along)}`;
}

/** A tick of an axis: at most three digits. */
function formatShort(value: number): string {
  return Math.abs(value) >= 1000 ? formatCount(value) : String(Number(value.toPrecision(3)));
}

function key(label: string, i: number): Html {
  return html`<span class="key"><i style="background:${colorAt(i)}"></i>${label}</span>`;
}

type Label = (value: number) => string;

/** The drawing in its frame. An axis without labels has no ticks. */
function plot(
  frame: Frame,
  described: string,
  marks: readonly Html[],
  labelY: Label,
  labelX: Label | null = String,
): Html {
  const { x, y, width, height, domain, range } = frame;
  const across = ticksOf(range).map(
    (value) =>
      html`<line x1="${x(domain[0])}" x2="${x(domain[1])}" y1="${y(value)}" y2="${y(value)}" stroke="var(--grid)"/><text x="${x(domain[0]) - 6}" y="${y(value) + 4}" text-anchor="end">${labelY(value)}</text>`,
  );
  const along = (labelX ? ticksOf(domain) : []).map(
    (value) =>
      html`<text x="${x(value)}" y="${y(range[0]) + 16}" text-anchor="middle">${labelX!(value)}</text>`,
  );
  return html`<svg class="plot" viewBox="0 0 ${width} ${height}" role="img" aria-label="${described}">${across}${along}${marks}</svg>`;
}

function isNumber(value: number | undefined): value is number {
  return Number.isFinite(value);
}

function percent(share: number): string {
  return !isNumber(share) ? 'none' : `${Number((100 * share).toFixed(1))} %`;
}
