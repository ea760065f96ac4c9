import { expect, it } from 'vitest';
import { smoothed } from '../../../src/report/page/smoothed.ts';

it('each point counts as often as its distance says, on both sides', () => {
  // Weights 1/4, 1/2, 1, 1/2 around the third value.
  const [, , third] = smoothed([8, 4, 2, 6], 0.5);
  expect(third).toBeCloseTo((8 / 4 + 4 / 2 + 2 + 6 / 2) / (1 / 4 + 1 / 2 + 1 + 1 / 2), 12);
});

it('leaves constants, gaps and unsmoothed values as they are', () => {
  expect(smoothed([3, null, 3, 3], 0.9)).toEqual(
    [3, null, 3, 3].map((v) => (v === null ? null : expect.closeTo(v, 12))),
  );
  expect(smoothed([1, 5, 2], 0)).toEqual([1, 5, 2]);
  expect(smoothed([], 0.9)).toEqual([]);
});

it('does not trail a straight line', () => {
  const line = Array.from({ length: 201 }, (_, i) => i);
  expect(smoothed(line, 0.8)[100]).toBeCloseTo(100, 6);
});
