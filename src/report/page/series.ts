/** The lines of a chart as tables and series of uPlot. */
import type uPlot from 'uplot';
import type { AxisName, Column, PageChart, PageData, PageLine } from '../page-data.ts';
import { shortNumber } from './numbers.ts';
import { smoothed } from './smoothed.ts';
import { faint, lineColor } from './theme.ts';

/** A line with more evaluations than this has no dots. */
const MOST_DOTS = 80;

export interface View {
  axis: AxisName;
  /** Smoothing, from 0 to below 1. */
  keep: number;
  logarithmic: boolean;
}

export interface ChartSeries {
  /** x and y of each series, to be joined. */
  tables: uPlot.AlignedData[];
  series: uPlot.Series[];
}

/**
 * Each line as one or two series: the measured values, faint, and their smoothed course over them.
 * Lines of a run that does not have the axis are left out.
 */
export function seriesOf(chart: PageChart, { runs }: PageData, view: View): ChartSeries {
  const found: ChartSeries = { tables: [], series: [] };
  for (const line of chart.lines) addLine(found, line, runs[line.run]!, view);
  return found;
}

function addLine(
  { tables, series }: ChartSeries,
  line: PageLine,
  run: PageData['runs'][number],
  { axis, keep }: View,
): void {
  const source = run[line.from];
  const x = source.x[axis];
  if (!x) return;
  const solid = lineColor(line.color);
  const isSmoothed = line.from === 'step' && !line.smooth && keep > 0;
  const hasDots = x.length === 1 || (line.from === 'evaluation' && x.length <= MOST_DOTS);
  tables.push([x, source.y[line.field]!]);
  series.push({
    label: isSmoothed ? `${line.label}, each step` : line.label,
    stroke: isSmoothed ? faint(solid) : solid,
    width: isSmoothed ? 1 : 2,
    points: { show: hasDots, size: 6, fill: solid },
    spanGaps: false,
    value: legendValue,
  });
  if (!isSmoothed) return;
  const base = run.mean ?? source;
  tables.push([base.x[axis]!, smoothed(base.y[line.field]!, keep)]);
  series.push({
    label: line.label,
    stroke: solid,
    width: 2,
    points: { show: false },
    spanGaps: false,
    value: legendValue,
  });
}

/** The value under the cursor, and without a cursor the last one. */
function legendValue(plot: uPlot, value: number | null, series: number, at: number | null): string {
  const shown = at === null || at === undefined ? lastKnown(plot.data[series]! as Column) : value;
  return shown === null || shown === undefined ? '–' : shortNumber(shown);
}

function lastKnown(values: Column): number | null | undefined {
  return values.findLast((value) => value !== null && value !== undefined);
}
