/** The yardsticks of `athanor bench`: only what holds on a busy machine is tested, never a speed. */
import { describe, expect, it } from 'vitest';
import { native } from '../../src/native/addon.ts';
import { expectError, forEachIsa, tensor } from '../helpers/reference.ts';

describe('measured peaks', () => {
  it('are above what a real product reaches', () => {
    const size = 512;
    for (const dtype of ['f32', 'bf16'] as const) {
      const a = native.cast(tensor([size, size], new Float32Array(size * size).fill(1)), dtype);
      let best = 0;
      for (let i = 0; i < 5; i++) {
        const start = performance.now();
        native.gemm(a, a, false, false, 'f32').dispose();
        best = Math.max(best, (2 * size ** 3) / ((performance.now() - start) / 1e3));
      }
      // A quarter of slack: another process may take a core from one of the two.
      expect(native.measurePeakFlops(dtype)).toBeGreaterThan(0.75 * best);
    }
  });

  it('exist for every instruction set', () => {
    forEachIsa(native, () => {
      expect(native.measurePeakFlops('f32')).toBeGreaterThan(1e8);
      expect(native.measurePeakFlops('bf16')).toBeGreaterThan(1e8);
      expect(native.measureCopyBandwidth()).toBeGreaterThan(1e8);
    });
  });

  it('exist for numbers only', () => {
    expectError('ERR_DTYPE', /f32 or bf16 but got i32/, () => native.measurePeakFlops('i32'));
  });
});
