import type { DType } from '../binding.ts';

export interface BenchBinding {
  /**
   * Operations per second (a multiply-add is two) of all threads on registers alone, in f32 or
   * bf16; about 0.2 s.
   */
  measurePeakFlops(dtype: DType): number;
  /**
   * Bytes per second, read plus written, of all threads copying memory that no cache holds; about
   * 0.2 s.
   */
  measureCopyBandwidth(): number;
}
