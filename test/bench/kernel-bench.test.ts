/**
 * The table of kernels. Results of a GPU are compared with the CPU's before they are timed. Times
 * themselves are not tested.
 */
import { afterEach, describe, expect, it, vi } from 'vitest';
import { benchKernels } from '../../src/bench/kernel-bench.ts';
import { PeakMeter } from '../../src/bench/peak.ts';
import { native } from '../../src/native/addon.ts';
import { expectError } from '../helpers/reference.ts';

const meter = (peak: number) => new PeakMeter(() => peak);
const meters = () => ({ f32: meter(1), bf16: meter(1), bandwidth: meter(1e18) });
const run = (filter: string) => benchKernels(meters(), 1, filter);
const isCuda = native.device() === 'cuda';

afterEach(() => vi.restoreAllMocks());

describe('benchKernels', () => {
  it('measures a kernel in each dtype', () => {
    const results = run('layer_norm');
    expect(results.map(({ dtype, shape }) => [dtype, shape])).toEqual([
      ['f32', '8192x768'],
      ['bf16', '8192x768'],
    ]);
    for (const { seconds, rate, share } of results) {
      expect(seconds).toBeGreaterThan(0);
      expect(share).toBe(rate / 1e18);
    }
  });

  it('tells no share that is above all', () => {
    for (const { share } of benchKernels({ ...meters(), bandwidth: meter(1) }, 1, 'layer_norm')) {
      expect(share).toBeUndefined();
    }
  });

  it.runIf(isCuda)('refuses to time a result that is not the one of the CPU', () => {
    const right = native.layerNormForward;
    vi.spyOn(native, 'layerNormForward').mockImplementation((...given) => {
      const made = right(...given);
      if (native.device() === 'cuda') native.fillInto(native.slice(made[0], 100, 101), 3);
      return made;
    });
    expectError('ERR_INTERNAL', /result 0 of layer_norm f32 8192x768 differs from the CPU's by/, () =>
      run('layer_norm'),
    );
    expect(native.device()).toBe('cuda');
  });
});
