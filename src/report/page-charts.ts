/**
 * The charts of a page: of one run, of the stages of a pipeline, or of several runs laid over each
 * other.
 */
import { type ChartSource, chartData } from './chart-data.ts';
import type { ChartSpec } from './chart-specs.ts';
import type { Columns, PageChart, PageData, RunColumns } from './page-data.ts';

/** A line that would be flat, told in words instead. */
export interface Constant {
  title: string;
  value: number;
}

export interface PageCharts {
  data: PageData;
  constants: readonly Constant[];
}

/** A log with the charts that it may have. */
export interface SpecifiedSource extends ChartSource {
  specs: readonly ChartSpec[];
}

/** A run with its name in legends and titles. */
export interface NamedSource extends SpecifiedSource {
  name: string;
}

/** A stage of a pipeline, and which of its charts the pipeline's page shows. */
export interface StageSource extends NamedSource {
  charts: readonly string[];
}

/**
 * The charts of a run, and after them those of its stages, whose titles begin with the stage's
 * name.
 */
export function chartsOfRun(run: SpecifiedSource, stages: readonly StageSource[] = []): PageCharts {
  const found: RunColumns[] = [];
  const charts = [{ name: '', ...run, charts: undefined }, ...stages].flatMap((source) => {
    const { charts: specs, ...columns } = chartData(source, source.specs);
    const run = found.push(columns) - 1;
    return specs
      .filter(({ id }) => source.charts?.includes(id) ?? true)
      .map((spec) => chartOf(spec, run, source.name));
  });
  return withoutConstants({ charts, runs: found });
}

function chartOf(spec: ChartSpec, run: number, stage: string): PageChart {
  const only = spec.lines.length === 1 ? spec.lines[0] : undefined;
  const chart = {
    ...spec,
    group: `run-${run}`,
    // A chart of validation alone keeps the color that validation has beside training.
    lines: spec.lines.map((line, n) => ({ ...line, run, color: only?.from === 'evaluation' ? 1 : n })),
  };
  if (stage === '') return chart;
  const title = `${stage}: ${spec.title.toLowerCase()}`;
  return { ...chart, id: `stage-${run}-${spec.id}`, title, wide: false };
}

/**
 * Several runs laid over each other: a chart for each field, with one line per run. Values in
 * different units, such as the losses of two stages, do not share a chart.
 */
export function chartsOfComparison(sources: readonly NamedSource[]): PageCharts {
  const charts = new Map<string, PageChart>();
  const runs = sources.map((source, run) => {
    const { charts: specs, ...columns } = chartData(source, source.specs);
    for (const spec of specs) {
      for (const line of spec.lines) {
        const key = JSON.stringify([spec.id, line.field, spec.unit]);
        const chart = charts.get(key) ?? comparedChart(spec, line.label, `${spec.id}-${line.field}-${run}`);
        const own = { ...line, label: source.name, run, color: run };
        charts.set(key, { ...chart, lines: [...chart.lines, own] });
      }
    }
    return columns;
  });
  return withoutConstants({ charts: [...charts.values()], runs });
}

function comparedChart(spec: ChartSpec, label: string, id: string): PageChart {
  const title = spec.lines.length > 1 ? `${spec.title}: ${label}` : spec.title;
  return { ...spec, id, title, group: 'all', lines: [] };
}

/** Takes out the charts whose lines all show one and the same value. */
function withoutConstants({ charts, runs }: PageData): PageCharts {
  const constants: Constant[] = [];
  const varying = charts.filter((chart) => {
    const value = constantOf(chart, runs);
    if (value !== undefined) constants.push({ title: chart.title, value });
    return value === undefined;
  });
  return { data: { charts: varying, runs }, constants };
}

/**
 * The value that each of a chart's lines has at each of its points; undefined where they differ.
 */
function constantOf({ lines }: PageChart, runs: readonly RunColumns[]): number | undefined {
  const values = lines.map(({ run, from, field }) => known(runs[run]![from], field));
  const all = values.flat();
  const isCourse = values.some(({ length }) => length > 1);
  return isCourse && all.every((value) => value === all[0]) ? all[0] : undefined;
}

function known({ y }: Columns, field: string): number[] {
  return (y[field] ?? []).filter((value) => value !== null);
}
