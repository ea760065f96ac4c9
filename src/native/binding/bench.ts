import type { DType } from '../binding.ts';

export interface BenchBinding {
  /**
   * Operations per second of all threads on registers alone, in f32 or bf16; a multiply-add is two
   * operations. Takes about 0.2 s.
   */
  measurePeakFlops(dtype: DType): number;
  /**
   * Bytes per second, read plus written, of all threads that copy memory which no cache holds.
   * Takes about 0.2 s.
   */
  measureCopyBandwidth(): number;
}
