/** Metrics of two classes, against their definitions. */
import { describe, expect, it } from 'vitest';
import {
  decisionMetrics,
  type LabelledProbability,
  rocAuc,
  thresholdFor,
} from '../../src/scoring/binary-metrics.ts';
import { rng } from '../helpers/reference.ts';

const rowsOf = (own: readonly number[], others: readonly number[]): LabelledProbability[] => [
  ...own.map((probability) => ({ probability, label: true })),
  ...others.map((probability) => ({ probability, label: false })),
];

it('precision, recall, accuracy and the false-positive rate of a threshold', () => {
  const metrics = decisionMetrics(rowsOf([0.9, 0.6, 0.2], [0.7, 0.4, 0.1, 0.1, 0.1]), 0.6);
  expect(metrics).toMatchObject({
    precision: 2 / 3,
    recall: 2 / 3,
    falsePositiveRate: 1 / 5,
    accuracy: 6 / 8,
  });
  expect(metrics.precisionInterval.low).toBeLessThan(2 / 3);
  expect(metrics.recallInterval.high).toBeGreaterThan(2 / 3);
  const none = decisionMetrics(rowsOf([0.1], [0.1]), 0.5);
  expect([none.precision, none.recall]).toEqual([Number.NaN, 0]);
});

describe('the area under the ROC curve', () => {
  it('is the share of pairs in the right order, ties counting half', () => {
    const random = rng(4);
    const draw = (count: number) => Array.from({ length: count }, () => random.integer(10) / 10);
    for (let round = 0; round < 20; ++round) {
      const [own, others] = [draw(7), draw(12)];
      const pairs = own.flatMap((a) => others.map((b) => (a > b ? 1 : a === b ? 0.5 : 0)));
      const share = pairs.reduce<number>((sum, one) => sum + one, 0) / pairs.length;
      expect(rocAuc(rowsOf(own, others))).toBeCloseTo(share, 12);
    }
  });

  it('has no value where one class has no row', () => {
    expect(rocAuc(rowsOf([0.5], []))).toBeNaN();
    expect(rocAuc([])).toBeNaN();
  });
});

describe('the threshold for a false-positive rate', () => {
  it('is the lowest that no more of the others pass', () => {
    const random = rng(9);
    for (const rate of [0, 0.01, 0.1, 0.25, 0.5]) {
      const rows = rowsOf(
        Array.from({ length: 60 }, () => random.uniform()),
        Array.from({ length: 100 }, () => random.uniform()),
      );
      const threshold = thresholdFor(rows, rate);
      expect(decisionMetrics(rows, threshold).falsePositiveRate).toBe(rate);
      // At the next row below it more would pass, or it would decide nothing else.
      const below = Math.max(...rows.map(({ probability }) => probability).filter((one) => one < threshold));
      expect(decisionMetrics(rows, below).falsePositiveRate).toBeGreaterThan(rate);
    }
  });

  it('lets no equal rows pass together that are too many', () => {
    const rows = rowsOf([0.9], [0.5, 0.5, 0.5, 0.1]);
    expect(decisionMetrics(rows, thresholdFor(rows, 0.25)).falsePositiveRate).toBe(0);
  });

  it('is 0.5 without other rows, and 0 where all may pass', () => {
    expect(thresholdFor(rowsOf([0.9], []), 0.1)).toBe(0.5);
    expect(thresholdFor(rowsOf([0.9], [0.2]), 1)).toBe(0);
  });
});
