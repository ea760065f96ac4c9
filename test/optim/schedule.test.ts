import { expect, it } from 'vitest';
import { learningRate, type ScheduleOptions } from '../../src/optim/schedule.ts';

const options = (schedule: ScheduleOptions['schedule']): ScheduleOptions => ({
  lr: 1,
  schedule,
  warmupSteps: 10,
  minLrRatio: 0.1,
  decayRatio: 0.2,
});
const course = (schedule: ScheduleOptions['schedule']) =>
  Array.from({ length: 111 }, (_, step) => learningRate(options(schedule), step, 110));

it.each(['cosine', 'wsd', 'linear', 'constant'] as const)(
  '%s warms up linearly to its peak and never rises after',
  (schedule) => {
    const rates = course(schedule);
    expect(rates.slice(0, 10)).toEqual(Array.from({ length: 10 }, (_, i) => (i + 1) / 10));
    for (let i = 11; i < rates.length; ++i) expect(rates[i]!).toBeLessThanOrEqual(rates[i - 1]!);
  },
);

it('each has its own shape', () => {
  expect(course('cosine')[60]).toBeCloseTo(0.1 + 0.9 * 0.5, 12);
  expect(course('cosine')[110]).toBeCloseTo(0.1, 12);
  expect(course('linear')[35]).toBeCloseTo(0.1 + 0.9 * 0.75, 12);
  // Warm-up, stable, decay: full until the last fifth, then straight down.
  expect(
    course('wsd')
      .slice(10, 90)
      .every((rate) => rate === 1),
  ).toBe(true);
  expect(course('wsd')[100]).toBeCloseTo(0.1 + 0.9 * 0.5, 12);
  expect(new Set(course('constant').slice(10))).toEqual(new Set([1]));
});

it('R35: linear without warm-up ends at 0; ten steps of warm-up begin at a tenth and stay constant', () => {
  const rate = (schedule: ScheduleOptions['schedule'], warmupSteps: number, step: number) =>
    learningRate({ lr: 3e-6, schedule, warmupSteps, minLrRatio: 0, decayRatio: 0 }, step, 100);
  expect([0, 50, 75, 100].map((step) => rate('linear', 0, step))).toEqual([3e-6, 1.5e-6, 0.75e-6, 0]);
  expect(rate('constant', 10, 0)).toBeCloseTo(3e-7, 15);
  expect([9, 10, 60, 99].map((step) => rate('constant', 10, step))).toEqual(Array(4).fill(3e-6));
});

it('is flat while a time budget has no number of steps yet', () => {
  expect(learningRate(options('cosine'), 50, Number.POSITIVE_INFINITY)).toBe(1);
});
