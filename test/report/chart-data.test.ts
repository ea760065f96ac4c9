import { describe, expect, it } from 'vitest';
import { chartData } from '../../src/report/chart-data.ts';
import { chartSpecsFor } from '../../src/report/chart-specs.ts';
import type { MetricRecord } from '../../src/report/metrics-log.ts';
import type { Columns } from '../../src/report/page-data.ts';
import { runLog } from './run-log.ts';

const dataOf = (records: readonly MetricRecord[]) =>
  chartData(
    {
      steps: records.filter(({ event }) => event === undefined),
      evaluations: records.filter(({ event }) => event === 'evaluation'),
      marks: records.filter(({ event }) => event === 'warning'),
    },
    chartSpecsFor(records),
  );
const at = ({ x, y }: Columns, step: number, field: string) => y[field]![x.step.indexOf(step)];

describe('chart data', () => {
  it('keeps every record of a run that a screen can show', () => {
    const data = dataOf(runLog({ steps: 2000, evaluateEvery: 100, nanAt: 700 }));
    expect(data.step.x.step).toEqual(Array.from({ length: 2000 }, (_, i) => i + 1));
    expect(data.mean).toBeUndefined();
    expect(at(data.step, 700, 'loss')).toBeNull();
    expect(data.evaluation.x.tokens).toEqual(Array.from({ length: 20 }, (_, i) => (i + 1) * 100 * 4096));
    expect(data.marks).toEqual([{ step: 700, kind: 'warning' }]);
  });

  it('thins a long one and loses no extreme of any field', () => {
    const records = runLog({ steps: 50_000, evaluateEvery: 5000, spikeAt: 23_457, nanAt: 40_001 });
    const steps = records.filter(({ event }) => event === undefined);
    const slow = steps[31_233]!;
    slow.tokens_per_second = 12;
    const steep = steps[12_345]!;
    steep.grad_norm = 99;
    const { step, mean } = dataOf(records);
    expect(step.x.step.length).toBeLessThan(11_000);
    expect(step.x.step).toEqual([...step.x.step].sort((a, b) => a - b));
    expect(new Set(step.x.step).size).toBe(step.x.step.length);
    expect([step.x.step[0], step.x.step.at(-1)]).toEqual([1, 50_000]);
    expect(at(step, 23_457, 'loss')).toBeGreaterThan(6.8);
    expect(at(step, 40_001, 'loss')).toBeNull();
    expect(at(step, slow.step, 'tokens_per_second')).toBe(12);
    expect(at(step, steep.step, 'grad_norm')).toBe(99);
    for (const { length } of [...Object.values(step.y), step.x.tokens!, step.x.time!])
      expect(length).toBe(step.x.step.length);
    // The means are those of the stretches, 50 records each.
    expect(mean!.x.step).toHaveLength(1000);
    const norms = steps.slice(100, 150).map(({ grad_norm }) => Number(grad_norm));
    expect(mean!.y.grad_norm![2]).toBeCloseTo(norms.reduce((x, y) => x + y) / 50, 4);
    expect(mean!.y.loss!.every((value) => value !== null)).toBe(true);
  });

  it('time is what the steps took, summed', () => {
    const { step } = dataOf([
      { step: 1, loss: 3, seconds: 0.5 },
      { step: 2, loss: 2, seconds: 0.25 },
    ]);
    expect(step.x.time).toEqual([0.5, 0.75]);
    expect(step.x.tokens).toBeUndefined();
  });

  it('has charts only of what was logged', () => {
    const ids = (records: readonly MetricRecord[]) => dataOf(records).charts.map(({ id }) => id);
    expect(ids([{ step: 1, loss: 3 }])).toEqual(['loss']);
    expect(ids([{ step: 1, reward: 0.4, kl: 0.01 }])).toEqual(['reward', 'kl']);
    expect(ids([{ step: 1, loss: Number.NaN }])).toEqual([]);
    expect(ids([{ event: 'evaluation', step: 1, val_loss: 3 }])).toEqual(['loss']);
    expect(ids([])).toEqual([]);
  });
});
