/** Where a chart's axes begin and end. */
import type uPlot from 'uplot';
import type { AxisName, PageChart, PageData } from '../page-data.ts';

export type Range = [low: number, high: number];

/** The whole course of a group of charts. */
export function domainOf(group: string, { charts, runs }: PageData, axis: AxisName): Range {
  let low = Number.POSITIVE_INFINITY;
  let high = Number.NEGATIVE_INFINITY;
  for (const { run } of charts.filter((chart) => chart.group === group).flatMap(({ lines }) => lines)) {
    for (const { x } of [runs[run]!.step, runs[run]!.evaluation]) {
      const values = x[axis] ?? [];
      if (values.length === 0) continue;
      low = Math.min(low, values[0]!);
      high = Math.max(high, values.at(-1)!);
    }
  }
  if (low < high) return [low, high];
  return Number.isFinite(low) ? [low - 1, low + 1] : [0, 1];
}

/** The lowest and the highest value in view, with the neighbors outside of it that lines run to. */
export function extent(plot: uPlot): Range {
  const [from, to] = plot.series[0]!.idxs ?? [0, plot.data[0].length - 1];
  let low = Number.POSITIVE_INFINITY;
  let high = Number.NEGATIVE_INFINITY;
  plot.data.slice(1).forEach((values, n) => {
    if (!plot.series[n + 1]!.show) return;
    const isKnown = (i: number) => values[i] !== null && values[i] !== undefined;
    let first = from - 1;
    let end = to + 1;
    while (first > 0 && !isKnown(first)) first--;
    while (end < values.length - 1 && !isKnown(end)) end++;
    for (let i = Math.max(0, first); i <= Math.min(end, values.length - 1); i++) {
      if (!isKnown(i)) continue;
      low = Math.min(low, values[i]!);
      high = Math.max(high, values[i]!);
    }
  });
  return low <= high ? [low, high] : [0, 1];
}

/**
 * Where a step of a run lies on the chosen axis; undefined where the run does not have the axis.
 */
export function placeOfStep(step: number, { x }: PageData['runs'][number]['step'], axis: AxisName) {
  const values = x[axis];
  if (!values) return undefined;
  const i = x.step.findIndex((other) => other >= step);
  return i < 0 ? values.at(-1) : values[i];
}

/** The runs that a chart has lines of. */
export function runsOf({ lines }: PageChart, { runs }: PageData): PageData['runs'][number][] {
  return [...new Set(lines.map(({ run }) => run))].map((run) => runs[run]!);
}
