import { describe, expect, it } from 'vitest';
import { chartSpecsFor, lossUnit } from '../../src/report/chart-specs.ts';
import { sourceOf } from '../../src/report/html-report.ts';
import type { MetricRecord } from '../../src/report/metrics-log.ts';
import { chartsOfComparison, chartsOfRun } from '../../src/report/page-charts.ts';
import { runLog } from './run-log.ts';

const run = (records: readonly MetricRecord[]) => ({ ...sourceOf(records), specs: chartSpecsFor(records) });
const log = runLog({ steps: 20, evaluateEvery: 5 });
const pairs = log.map((record) => (record.event ? record : { ...record, accuracy: 0.5 + record.step / 100 }));

describe('the charts of a run', () => {
  it('leave out what is constant, and name it', () => {
    const records = log.map((record) => ({ ...record, ...(!record.event && { kl_coef: 0.05 }) }));
    const { data, constants } = chartsOfRun(run(records));
    expect(data.charts.map(({ id }) => id)).not.toContain('kl-coef');
    expect(constants).toEqual([{ title: 'KL coefficient', value: 0.05 }]);
    expect(chartsOfRun(run([{ step: 1, loss: 3 }])).data.charts.map(({ id }) => id)).toEqual(['loss']);
  });

  it('take in the chosen charts of stages, each with an axis of its own', () => {
    const stages = [
      { ...run(log), name: 'Pretraining', charts: ['loss'] },
      { ...run(pairs), name: 'Reward model', charts: ['accuracy', 'kl'] },
    ];
    const { data } = chartsOfRun(run([]), stages);
    expect(data.charts.map(({ title, group, unit }) => [title, group, unit])).toEqual([
      ['Pretraining: loss', 'run-1', 'nats per token'],
      ['Reward model: accuracy', 'run-2', 'share of pairs'],
    ]);
    expect(data.charts[1]!.lines[0]!.run).toBe(2);
    expect(data.runs[2]!.step.y.accuracy).toHaveLength(20);
  });
});

describe('a comparison', () => {
  it('has a chart for each metric and a line for each run', () => {
    const worse = log.map((record) =>
      'loss' in record ? { ...record, loss: Number(record.loss) + 1 } : record,
    );
    const { data } = chartsOfComparison([
      { ...run(log), name: 'a' },
      { ...run(worse), name: 'b' },
    ]);
    const shown = data.charts.map(({ title, lines }) => [title, lines.map(({ label }) => label).join()]);
    expect(shown.slice(0, 3)).toEqual([
      ['Loss: training', 'a,b'],
      ['Loss: validation', 'a,b'],
      ['Bits per byte', 'a,b'],
    ]);
    const [loss] = data.charts;
    expect(loss!.lines.map(({ run, color }) => [run, color])).toEqual([
      [0, 0],
      [1, 1],
    ]);
    expect(new Set(data.charts.map(({ id }) => id)).size).toBe(data.charts.length);
  });

  it('does not put losses in different units on one axis', () => {
    const { data } = chartsOfComparison([
      { ...run(log), name: 'a' },
      { ...run(pairs), name: 'b' },
    ]);
    const losses = data.charts.filter(({ title }) => title === 'Loss: training');
    expect(losses.map(({ unit, lines }) => [unit, lines.length])).toEqual([
      ['nats per token', 1],
      ['nats per pair', 1],
    ]);
    expect(new Set(data.charts.map(({ id }) => id)).size).toBe(data.charts.length);
  });
});

it('the unit of a loss is that of its stage', () => {
  expect(lossUnit([{ step: 1, loss: 3 }])).toBe('nats per token');
  expect(lossUnit([{ step: 1, loss: 0.7, accuracy: 0.5 }])).toBe('nats per pair');
  expect(lossUnit([{ step: 1, loss: 0.01, reward: 2, policy_loss: 0 }])).toBeUndefined();
});
