import { expect, it } from 'vitest';
import { axisLabels, clock, logTicks, shortNumber } from '../../../src/report/page/numbers.ts';

it('numbers are short', () => {
  const values = [0, 0.05128, -2.3456, 999.94, 1234.5, 10_000, 12_345, 4.561e6, 2e9, 1.2e12, 3.1e-5];
  expect(values.map(shortNumber)).toEqual([
    '0',
    '0.05128',
    '-2.346',
    '999.9',
    '1,235',
    '10k',
    '12.35k',
    '4.56M',
    '2B',
    '1.2T',
    '3.1e-5',
  ]);
});

it('the labels of an axis have one unit and equally many digits', () => {
  expect(axisLabels([0, 5e-4, 0.001, 0.0015])).toEqual(['0', '0.0005', '0.0010', '0.0015']);
  expect(axisLabels([8000, 10_000, 12_000])).toEqual(['8k', '10k', '12k']);
  expect(axisLabels([-1, -0.75, 0.1 + 0.2])).toEqual(['-1.00', '-0.75', '0.30']);
  expect(axisLabels([0, 1000, 2000])).toEqual(['0', '1,000', '2,000']);
  expect(axisLabels([0, 2e-5])).toEqual(['0', '2e-5']);
  expect(axisLabels([])).toEqual([]);
});

it('times have a unit that fits', () => {
  expect([0, 12.34, 60, 3599, 3600, 9000].map(clock)).toEqual([
    '0 s',
    '12.3 s',
    '1:00 min',
    '59:59 min',
    '1:00 h',
    '2:30 h',
  ]);
});

it('a logarithmic axis has ticks within its range, also between powers of ten', () => {
  const ticks = logTicks(2, 9);
  expect(ticks.length).toBeGreaterThan(3);
  for (const tick of ticks) expect(tick >= 2 && tick <= 9).toBe(true);
});
