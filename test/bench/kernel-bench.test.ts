/**
 * The table of kernels. Results of a GPU are compared with the CPU's before they are timed. Times
 * themselves are not tested.
 */
import { afterEach, describe, expect, it, vi } from 'vitest';
import { benchKernels } from '../../src/bench/kernel-bench.ts';
import { native } from '../../src/native/addon.ts';
import { expectError } from '../helpers/reference.ts';

const peaks = { f32: 1, bf16: 1, bandwidth: 1 };
const run = (filter: string) => [...benchKernels(peaks, 1, filter)];
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
      expect(rate).toBe(share);
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
