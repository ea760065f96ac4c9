import { describe, expect, it } from 'vitest';
import { type Reading, SpikeDetector } from '../../src/report/spike-detector.ts';
import { random } from '../text/random.ts';

const options = { window: 32, threshold: 6 };

/** A detector that has seen `count` values around 5, and the source of more. */
function warm(count: number): { detector: SpikeDetector; next: () => number } {
  const uniform = random(3);
  const next = () => 5 + 0.2 * (uniform() - 0.5);
  const detector = new SpikeDetector(options);
  for (let i = 0; i < count; ++i) expect(detector.observe(next()).kind).toBe('ok');
  return { detector, next };
}

describe('SpikeDetector', () => {
  it('measures in standard deviations of the window', () => {
    const detector = new SpikeDetector({ window: 16, threshold: 3 });
    for (let i = 0; i < 16; ++i) detector.observe(i % 2 === 0 ? 9 : 11);
    // Mean 10, deviation 1.
    expect(detector.observe(12.5)).toEqual({ kind: 'ok', zscore: 2.5 });
    expect(detector.observe(200).kind).toBe('spike');
  });

  it('forgets what has left the window', () => {
    const detector = new SpikeDetector({ window: 16, threshold: 100 });
    for (let i = 0; i < 50; ++i) detector.observe(1000 - i);
    for (let i = 0; i < 16; ++i) detector.observe(i % 2 === 0 ? 9 : 11);
    expect(detector.observe(12)).toEqual({ kind: 'ok', zscore: 2 });
  });

  it('a spike does not hide the next one', () => {
    const { detector, next } = warm(40);
    const readings: Reading[] = [];
    for (let i = 0; i < 5; ++i) {
      readings.push(detector.observe(9));
      expect(detector.observe(next()).kind).toBe('ok');
    }
    expect(readings.every(({ kind }) => kind === 'spike')).toBe(true);
    expect(readings[4]!.zscore).toBeGreaterThan(0.5 * readings[0]!.zscore);
  });

  it('a level that stays becomes the new normal after half a window', () => {
    const { detector } = warm(40);
    const uniform = random(4);
    const kinds = Array.from({ length: 40 }, () => detector.observe(9 + 0.2 * (uniform() - 0.5)).kind);
    expect(kinds).toEqual([...Array(16).fill('spike'), ...Array(24).fill('ok')]);
  });

  it('a fall is no spike, and too few values are no statistics', () => {
    const { detector } = warm(40);
    expect(detector.observe(1)).toMatchObject({ kind: 'ok' });
    const fresh = new SpikeDetector(options);
    for (let i = 0; i < 16; ++i) expect(fresh.observe(10 ** i)).toEqual({ kind: 'ok', zscore: 0 });
    expect(fresh.observe(1e30).kind).toBe('spike');
  });

  it('a flat stretch is no division by zero', () => {
    const detector = new SpikeDetector(options);
    for (let i = 0; i < 20; ++i) expect(detector.observe(2)).toEqual({ kind: 'ok', zscore: 0 });
    expect(detector.observe(2 + 1e-7).kind).toBe('ok');
    expect(detector.observe(2.1).kind).toBe('spike');
  });

  it.each([Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY])(
    '%d is told apart and leaves the statistics alone',
    (value) => {
      const { detector } = warm(40);
      const before = detector.state();
      expect(detector.observe(value)).toEqual({ kind: 'not_finite', zscore: Number.POSITIVE_INFINITY });
      expect(detector.state()).toEqual(before);
    },
  );

  it('restored from JSON it gives the same readings to the last bit, in the middle of suspects too', () => {
    const { detector, next } = warm(50);
    for (let i = 0; i < 7; ++i) detector.observe(9);
    const resumed = new SpikeDetector(options);
    resumed.restore(JSON.parse(JSON.stringify(detector.state())));
    const values = [9, 9, 9, 9, 9, 9, 9, 9, 9, ...Array.from({ length: 40 }, next), 9];
    expect(values.map((value) => resumed.observe(value))).toEqual(
      values.map((value) => detector.observe(value)),
    );
  });

  it('refuses settings and states that make no sense', () => {
    const argument = expect.objectContaining({ code: 'ERR_ARGUMENT' });
    for (const bad of [
      { window: 3 },
      { window: 8.5 },
      { window: Number.NaN },
      { threshold: 0 },
      { threshold: Number.NaN },
    ])
      expect(() => new SpikeDetector({ ...options, ...bad })).toThrow(argument);
    const damaged = expect.objectContaining({ code: 'ERR_FILE_DAMAGED' });
    for (const state of [null, 3, {}, { values: [1, 'x'], suspects: [] }, { values: [1] }])
      expect(() => new SpikeDetector(options).restore(state as never)).toThrow(damaged);
  });
});
