/** One chart, drawn by uPlot. */
import uPlot from 'uplot';
import type { AxisName, PageChart, PageData } from '../page-data.ts';
import { axisLabels, clock, logTicks, shortNumber } from './numbers.ts';
import { extent, placeOfStep, type Range, runsOf } from './scales.ts';
import { seriesOf, type View } from './series.ts';
import { color } from './theme.ts';

const FONT = '12px system-ui, sans-serif';

/** What a chart asks of the page around it. */
export interface ChartPlace {
  /** The range of the horizontal axis. */
  range(): Range;
  /** The reader chose a range; undefined for all of it. */
  choose(range: Range | undefined): void;
}

export interface Chart {
  spec: PageChart;
  plot: uPlot;
}

/**
 * Draws a chart into its element. Undefined where no line has the chosen axis: the figure is then
 * hidden.
 */
export function drawChart(spec: PageChart, data: PageData, view: View, place: ChartPlace): Chart | undefined {
  const target = document.getElementById(`chart-${spec.id}`)!;
  const { tables, series } = seriesOf(spec, data, view);
  target.closest('figure')!.hidden = tables.length === 0;
  if (tables.length === 0) return undefined;
  const width = target.clientWidth;
  const options: uPlot.Options = {
    width,
    height: heightOf(spec, width),
    padding: [12, 26, 0, 0],
    scales: { x: { time: false, range: place.range }, y: scaleOf(spec, view) },
    axes: axesOf(spec, view),
    series: [axisSeries(view.axis), ...series],
    cursor: {
      y: false,
      points: { size: 7 },
      drag: { x: true, y: false, setScale: false },
      sync: {
        key: spec.group,
        scales: ['x', null],
        setSeries: false,
        filters: { pub: (type) => type === 'mousemove' || type === 'mouseleave' },
      },
      bind: {
        dblclick: () => () => {
          place.choose(undefined);
          return null;
        },
      },
    },
    hooks: {
      draw: [(plot) => drawMarks(plot, spec, data, view.axis)],
      setScale: [
        (plot, key) => {
          const { min, max } = plot.scales.x!;
          if (key === 'x') target.dataset.range = `${min} ${max}`;
        },
      ],
      setSelect: [(plot) => chooseSelected(plot, place)],
    },
  };
  return { spec, plot: new uPlot(options, uPlot.join(tables), target) };
}

export function heightOf({ wide }: PageChart, width: number): number {
  return wide ? Math.max(240, Math.min(380, width * 0.36)) : 220;
}

function isLogarithmic(spec: PageChart, { logarithmic }: View): boolean {
  return spec.logarithmic === true && logarithmic;
}

function scaleOf(spec: PageChart, view: View): uPlot.Scale {
  if (!isLogarithmic(spec, view)) {
    return { range: (plot) => uPlot.rangeNum(...extent(plot), 0.1, true) };
  }
  const range = (plot: uPlot): Range => {
    const [low, high] = extent(plot);
    return low > 0 ? [low / 1.04, high * 1.04] : [0.1, 1];
  };
  return { distr: 3, range };
}

function axesOf(spec: PageChart, view: View): uPlot.Axis[] {
  const common: uPlot.Axis = {
    stroke: color('--soft'),
    font: FONT,
    grid: { stroke: color('--grid'), width: 1 },
    ticks: { show: false },
  };
  const logarithmic: uPlot.Axis = {
    splits: (_, __, min, max) => logTicks(min, max),
    filter: (_, values) => values,
  };
  return [
    {
      ...common,
      grid: { show: false },
      space: 80,
      size: 32,
      values: (_, values) => values.map((value) => onAxis(value, view.axis)),
    },
    {
      ...common,
      // As wide as its longest label, so that none is cut off.
      size: (_, labels) => Math.max(40, 16 + Math.max(0, ...(labels ?? []).map(widthOf))),
      values: (_, values) => axisLabels(values),
      ...(isLogarithmic(spec, view) && logarithmic),
    },
  ];
}

/** Pixels of a label on an axis. */
function widthOf(label: string): number {
  const context = document.createElement('canvas').getContext('2d')!;
  context.font = FONT;
  return Math.ceil(context.measureText(label).width);
}

/** The legend's entry for the horizontal axis: the place under the cursor, or the last one. */
function axisSeries(axis: AxisName): uPlot.Series {
  return {
    label: axis,
    value: (plot, value, _, at) =>
      onAxis(at === null || at === undefined ? plot.data[0].at(-1) : value, axis),
  };
}

function onAxis(value: number | null | undefined, axis: AxisName): string {
  if (value === null || value === undefined) return '';
  if (axis === 'time') return clock(value);
  return axis === 'tokens' ? shortNumber(value) : value.toLocaleString('en', { maximumFractionDigits: 0 });
}

/** Triangles at the top where something happened. */
function drawMarks(plot: uPlot, spec: PageChart, data: PageData, axis: AxisName): void {
  const { ctx, bbox } = plot;
  const { min, max } = plot.scales.x!;
  const half = 4 * devicePixelRatio;
  ctx.save();
  for (const run of runsOf(spec, data)) {
    for (const { step, kind } of run.marks) {
      const at = placeOfStep(step, run.step, axis);
      if (at === undefined || at < min! || at > max!) continue;
      const x = Math.round(plot.valToPos(at, 'x', true));
      ctx.fillStyle = color(kind === 'warning' ? '--alert' : '--series-3');
      ctx.beginPath();
      ctx.moveTo(x - half, bbox.top);
      ctx.lineTo(x + half, bbox.top);
      ctx.lineTo(x, bbox.top + 1.6 * half);
      ctx.fill();
    }
  }
  ctx.restore();
}

function chooseSelected(plot: uPlot, place: ChartPlace): void {
  const { left, width } = plot.select;
  if (width < 6) return;
  const range: Range = [plot.posToVal(left, 'x'), plot.posToVal(left + width, 'x')];
  plot.setSelect({ left: 0, width: 0, top: 0, height: 0 }, false);
  place.choose(range);
}
