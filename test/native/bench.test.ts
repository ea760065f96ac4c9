/**
 * The peaks that `athanor bench` measures. The bounds are so low that a busy machine meets them:
 * tests measure no times.
 */
import { describe, expect, it } from 'vitest';
import { native } from '../../src/native/addon.ts';
import { expectError, forEachIsa } from '../helpers/reference.ts';

describe('measured peaks', () => {
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
