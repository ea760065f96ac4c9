/** A chart by keyboard: the arrows move the cursor from point to point, + and - zoom. */
import type uPlot from 'uplot';
import type { Range } from './scales.ts';

/**
 * The values at the chart's cursor in words, for a screen reader; undefined for a key that does not
 * move it.
 */
export function moveCursor(plot: uPlot, { key, shiftKey }: KeyboardEvent): string | undefined {
  const { min, max } = plot.scales.x!;
  const xs = plot.data[0];
  const first = xs.findIndex((x) => x >= min!);
  const end = xs.findLastIndex((x) => x <= max!);
  const now = plot.cursor.idx ?? end;
  const stride = Math.max(1, Math.round((end - first) / (shiftKey ? 10 : 100)));
  const moves: Partial<Record<string, number>> = {
    ArrowLeft: now - stride,
    ArrowRight: now + stride,
    Home: first,
    End: end,
  };
  const wanted = moves[key];
  if (wanted === undefined) return undefined;
  const at = Math.min(end, Math.max(first, wanted));
  plot.setCursor({ left: plot.valToPos(xs[at]!, 'x'), top: plot.over.clientHeight / 2 });
  return plot.series.map((series, i) => wordsOf(plot, series, i, at)).join(', ');
}

function wordsOf(plot: uPlot, { label, value }: uPlot.Series, i: number, at: number): string {
  const shown = plot.data[i]![plot.cursor.idxs?.[i] ?? at] as number;
  return `${label} ${typeof value === 'function' ? value(plot, shown, i, at) : shown}`;
}

/** The range that + or - leads to, within the domain; undefined for all of it. */
export function zoomed(plot: uPlot, key: string, [low, high]: Range): Range | undefined {
  const { min, max } = plot.scales.x!;
  const factor = key === '-' ? 2 : 0.5;
  const at = plot.cursor.idx;
  const center = at === null || at === undefined ? (min! + max!) / 2 : plot.data[0][at]!;
  const range: Range = [
    Math.max(low, center - (center - min!) * factor),
    Math.min(high, center + (max! - center) * factor),
  ];
  return range[0] <= low && range[1] >= high ? undefined : range;
}
