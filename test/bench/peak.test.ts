/** Shares of a measured peak, on machines and clocks that are made up. */
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { benchGeneration } from '../../src/bench/generate-bench.ts';
import { PeakMeter, peakShare, RESTLESS, readingMeter, timeRepeats } from '../../src/bench/peak.ts';
import { benchTraining } from '../../src/bench/train-bench.ts';
import { Gpt } from '../../src/nn/gpt.ts';
import { presetConfig } from '../../src/nn/presets.ts';

describe('the share of a peak', () => {
  it('is of the best measurement, not of one in a bad moment', () => {
    expect(peakShare(90, [55, 100, 98])).toEqual({ peak: 100, spread: 1 - 98 / 100, share: 0.9 });
    expect(peakShare(100, [100])).toEqual({ peak: 100, spread: 0, share: 1 });
  });

  it('is not told of work that was faster than every peak', () => {
    expect(peakShare(110, [100, 99, 98]).share).toBeUndefined();
    expect(peakShare(197, [100]).share).toBeUndefined();
  });

  it('is not told where half of the measurements lie far below the best', () => {
    const lowest = 100 * (1 - RESTLESS);
    expect(peakShare(50, [100, lowest]).share).toBe(0.5);
    expect(peakShare(50, [100, lowest - 1]).share).toBeUndefined();
    expect(peakShare(50, [100, 10, 99, 12, 98]).share).toBe(0.5);
    expect(peakShare(50, [100, 10, 20, 30, 98]).share).toBeUndefined();
  });

  it('is not told without a measurement, or of one that is no number', () => {
    expect(peakShare(1, []).share).toBeUndefined();
    expect(peakShare(1, [0]).share).toBeUndefined();
    expect(peakShare(Number.POSITIVE_INFINITY, [1]).share).toBeUndefined();
    expect(peakShare(Number.NaN, [1]).share).toBeUndefined();
    expect(peakShare(1, [Number.NaN, 2]).share).toBeUndefined();
  });
});

describe('timed repetitions', () => {
  it('leave out what lies between them', () => {
    let clock = 0;
    const log: string[] = [];
    const spend = (what: string, milliseconds: number) => () => {
      log.push(what);
      clock += milliseconds;
    };
    let run = 0;
    const work = () => spend('run', [100, 50, 250][run++]!)();
    expect(timeRepeats(3, work, spend('peak', 7000), () => clock)).toEqual([0.1, 0.05, 0.25]);
    expect(log).toEqual(['peak', 'run', 'peak', 'run', 'peak', 'run', 'peak']);
  });

  it('are none for a count of none', () => {
    expect(timeRepeats(0, () => {})).toEqual([]);
  });
});

describe('the benchmarks measure around the work', () => {
  const config = presetConfig('tiny', { contextLength: 16, vocabSize: 300 });
  /** A machine whose peak is 1 in bad moments, and 1e18 from the third measurement on. */
  const recovering = () => {
    let count = 0;
    const meter = new PeakMeter(() => (++count < 3 ? 1 : 1e18));
    return { meter, count: () => count };
  };

  it('train', () => {
    const { meter, count } = recovering();
    const shape = { config, batchSize: 1, context: 16, dtype: 'f32', warmup: 1, seed: 1 } as const;
    const result = benchTraining({ ...shape, steps: 5, peak: meter });
    expect(count()).toBe(6);
    expect(result.ofPeak).toEqual({ peak: 1e18, spread: 0, share: result.flopsPerSecond / 1e18 });
    const bad = benchTraining({ ...shape, steps: 1, peak: new PeakMeter(() => 1) });
    expect(bad.ofPeak).toEqual({ peak: 1, spread: 0, share: undefined });
  });

  it('generate', async () => {
    const { meter, count } = recovering();
    const sizes: number[] = [];
    const options = {
      config,
      batchSize: 2,
      promptTokens: 4,
      newTokens: 4,
      dtype: 'f32',
      repeats: 5,
    } as const;
    const result = await benchGeneration({
      ...options,
      bandwidth: (bytes) => {
        sizes.push(bytes);
        return meter;
      },
    });
    expect(count()).toBe(6);
    expect(result.boundTokensPerSecond).toBe((1e18 * 2) / sizes[0]!);
    expect(result.timesBound).toBeCloseTo(result.boundTokensPerSecond / result.tokensPerSecond, 6);
    expect(result.timesBound).toBeGreaterThanOrEqual(1);
    const bad = await benchGeneration({ ...options, bandwidth: () => new PeakMeter(() => 1) });
    expect(bad.timesBound).toBeUndefined();
    expect(bad.ownTokensPerSecond).toBeUndefined();
  });

  it('generate with int8 weights: whole runs with them, and as many without', async () => {
    const steps = { int8: 0, own: 0 };
    const logits = Gpt.prototype.logits;
    const spy = vi.spyOn(Gpt.prototype, 'logits').mockImplementation(function (this: Gpt, ...rest) {
      ++steps[this.quantized ? 'int8' : 'own'];
      return logits.apply(this, rest);
    });
    onTestFinished(() => spy.mockRestore());
    const sizes: number[] = [];
    const options = {
      config,
      batchSize: 2,
      promptTokens: 4,
      newTokens: 4,
      dtype: 'f32',
      repeats: 2,
    } as const;
    const bandwidth = (bytes: number) => {
      sizes.push(bytes);
      return new PeakMeter(() => 1e18);
    };
    const result = await benchGeneration({ ...options, quantize: 'int8', bandwidth });
    expect(steps).toEqual({ int8: 12, own: 12 });
    expect(result.ownTokensPerSecond).toBeGreaterThan(0);
    await benchGeneration({ ...options, bandwidth });
    expect(sizes[0]! / sizes[1]!).toBeLessThan(0.5);
  });
});

describe('a meter', () => {
  it('has no best before it measured', () => {
    let next = 3;
    const meter = new PeakMeter(() => next--);
    expect(meter.best).toBeNaN();
    meter.measure();
    meter.measure();
    expect(meter.best).toBe(3);
  });

  it('of reading takes working sets of any size', () => {
    for (const bytes of [1, 1000, 2 ** 20]) {
      const meter = readingMeter(bytes);
      meter.measure();
      expect(meter.best).toBeGreaterThan(1e6);
    }
  });
});
