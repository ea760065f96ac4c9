import { describe, expect, it } from 'vitest';
import {
  mean,
  meanInterval,
  meanShareInterval,
  normalQuantile,
  pairedBootstrap,
  quantile,
  sampleVariance,
  standardError,
  wilsonInterval,
} from '../../src/base/statistics.ts';
import { random } from '../text/random.ts';

const argument = expect.objectContaining({ code: 'ERR_ARGUMENT' });

describe('means and errors', () => {
  it('of 1 to n are (n + 1) / 2 and n (n + 1) / 12', () => {
    const values = Array.from({ length: 1000 }, (_, i) => i + 1);
    expect(mean(values)).toBe(500.5);
    expect(sampleVariance(values)).toBeCloseTo((1000 * 1001) / 12, 8);
    expect(standardError(values)).toBeCloseTo(Math.sqrt(1001 / 12), 10);
  });

  it('lose nothing beside large values', () => {
    expect(mean([1e16, 1, -1e16, 1])).toBe(0.5);
    expect(sampleVariance([1e9 + 4, 1e9 + 7, 1e9 + 13, 1e9 + 16])).toBe(30);
    expect(mean([Number.MAX_VALUE, Number.MAX_VALUE])).toBe(Number.POSITIVE_INFINITY);
  });

  it('are NaN where there is none', () => {
    expect(mean([])).toBeNaN();
    expect(sampleVariance([1])).toBeNaN();
    expect(standardError([])).toBeNaN();
  });
});

describe('normal quantile', () => {
  // From tables of the standard normal distribution.
  it.each([
    [0.5, 0],
    [0.9, 1.2815515655446004],
    [0.975, 1.959963984540054],
    [0.995, 2.5758293035489004],
    [0.9995, 3.2905267314918945],
    [0.02, -2.0537489106318225],
    [1e-6, -4.753424308822899],
  ])('of %d is %d', (p, z) => expect(Math.abs(normalQuantile(p) - z)).toBeLessThan(1e-8 * (1 + Math.abs(z))));
});

describe('the interval of a mean', () => {
  it("is Student's", () => {
    // t(2) = 4.303, standard error 0.1 / sqrt(3).
    const { mean: center, low, high } = meanInterval([0.5, 0.6, 0.7]);
    expect(center).toBeCloseTo(0.6, 12);
    expect(high - center).toBeCloseTo((4.303 * 0.1) / Math.sqrt(3), 6);
    expect(center - low).toBeCloseTo(high - center, 12);
  });

  it('needs 2 to 15 values', () => {
    expect(() => meanInterval([1])).toThrow('expected 2 to 15 values but got 1');
    expect(() => meanShareInterval(new Array(16).fill(0.5))).toThrow('but got 16');
  });

  it('of shares stays within 0 and 1 and contains the mean, whatever the shares', () => {
    for (const shares of [
      [0.89, 0.975, 0.967],
      [0.001, 0.002, 0.04],
      [0, 1],
      [0, 0, 0.5],
      [0.99, 1, 1],
    ]) {
      const { mean: center, low, high } = meanShareInterval(shares);
      expect(center).toBeCloseTo(mean(shares), 12);
      expect(low).toBeGreaterThanOrEqual(0);
      expect(low).toBeLessThan(center);
      expect(high).toBeGreaterThan(center);
      expect(high).toBeLessThanOrEqual(1);
    }
  });

  it("of shares is Student's on the logit, and close to the plain one in the middle", () => {
    const shares = [0.49, 0.5, 0.51];
    const plain = meanInterval(shares);
    const { low, high } = meanShareInterval(shares);
    const logit = (share: number) => Math.log(share / (1 - share));
    expect(logit(high)).toBeCloseTo((plain.high - 0.5) / 0.25, 12);
    expect(logit(low)).toBeCloseTo(-logit(high), 12);
    expect(Math.abs(high - plain.high)).toBeLessThan(1e-4);
    expect(Math.abs(low - plain.low)).toBeLessThan(1e-4);
  });

  it('has no width for equal shares at an end, and refuses numbers that are no shares', () => {
    expect(meanShareInterval([1, 1, 1])).toEqual({ mean: 1, low: 1, high: 1 });
    expect(meanShareInterval([0, 0])).toEqual({ mean: 0, low: 0, high: 0 });
    expect(() => meanShareInterval([0.5, 1.01])).toThrow('expected shares from 0 to 1 but got 1.01');
  });
});

describe("Wilson's interval", () => {
  it('solves (share - p)^2 = z^2 p (1 - p) / n at both ends', () => {
    for (const [successes, trials] of [
      [7, 20],
      [1, 3],
      [480, 1000],
    ] as const) {
      const { low, high } = wilsonInterval(successes, trials);
      for (const p of [low, high]) {
        const left = (successes / trials - p) ** 2;
        expect(left).toBeCloseTo((1.959963984540054 ** 2 * p * (1 - p)) / trials, 9);
      }
      expect(low).toBeLessThan(successes / trials);
      expect(high).toBeGreaterThan(successes / trials);
    }
  });

  it('at the ends is z^2 / (n + z^2) wide', () => {
    const z2 = 1.959963984540054 ** 2;
    expect(wilsonInterval(0, 10)).toEqual({ low: 0, high: expect.closeTo(z2 / (10 + z2), 8) });
    expect(wilsonInterval(10, 10)).toEqual({ low: expect.closeTo(10 / (10 + z2), 8), high: 1 });
  });

  it('refuses numbers that are no share', () => {
    for (const [successes, trials] of [
      [0, 0],
      [-1, 4],
      [5, 4],
      [Number.NaN, 4],
    ] as const)
      expect(() => wilsonInterval(successes, trials)).toThrow(argument);
    expect(() => wilsonInterval(1, 2, 1)).toThrow(argument);
  });
});

describe('paired bootstrap', () => {
  const uniform = random(11);
  const normal = () => Math.sqrt(-2 * Math.log(1 - uniform())) * Math.cos(2 * Math.PI * uniform());
  const b = Array.from({ length: 400 }, () => 10 * normal());
  const a = b.map((value) => value + 0.3 + normal());

  it('comes close to the normal interval of the differences, however much the items differ', () => {
    const differences = a.map((value, i) => value - b[i]!);
    const { difference, low, high, pValue } = pairedBootstrap(a, b, { seed: 1 });
    const reach = 1.959963984540054 * standardError(differences);
    expect(difference).toBeCloseTo(mean(differences), 12);
    expect(Math.abs(low - (difference - reach))).toBeLessThan(0.08 * reach);
    expect(Math.abs(high - (difference + reach))).toBeLessThan(0.08 * reach);
    expect(pValue).toBeLessThan(0.01);
  });

  it('says that equals are equal', () => {
    const noise = b.map((value) => value + normal());
    expect(pairedBootstrap(b, noise, { seed: 1 }).pValue).toBeGreaterThan(0.05);
    expect(pairedBootstrap(b, b, { seed: 1 })).toEqual({ difference: 0, low: 0, high: 0, pValue: 1 });
  });

  it('is a function of the seed', () => {
    const run = (seed: number) => pairedBootstrap(a, b, { seed, resamples: 500 });
    expect(run(5)).toEqual(run(5));
    expect(run(5).low).not.toBe(run(6).low);
  });

  it('draws every item about as often as any other', () => {
    // A mean of 0..n-1 over all resamples is the middle when draws are uniform.
    const items = Array.from({ length: 101 }, (_, i) => i);
    const zeros = items.map(() => 0);
    const { low, high } = pairedBootstrap(items, zeros, { seed: 9, confidence: 0.0001, resamples: 20_000 });
    const error = (Math.sqrt((101 ** 2 - 1) / 12 / 101) / Math.sqrt(20_000)) * 5;
    expect(Math.abs((low + high) / 2 - 50)).toBeLessThan(error);
  });

  it('refuses unequal and empty lists', () => {
    expect(() => pairedBootstrap([1, 2], [1], { seed: 1 })).toThrow(argument);
    expect(() => pairedBootstrap([], [], { seed: 1 })).toThrow(argument);
    expect(() => pairedBootstrap([1], [1], { seed: 1, confidence: 1.5 })).toThrow(argument);
    expect(() => pairedBootstrap([1], [1], { seed: 1, resamples: 0 })).toThrow(argument);
  });
});

describe('quantile', () => {
  it('interpolates', () => {
    expect([0, 0.25, 0.5, 1].map((p) => quantile([10, 20, 40], p))).toEqual([10, 15, 20, 40]);
    expect(quantile([], 0.5)).toBeNaN();
  });
});
