import type { NativeTensor } from '../binding.ts';

export interface RowsBinding {
  /** x `[n, d]` of any dtype, rows i32 `[m]` -> `[m, d]`. */
  gatherRows(x: NativeTensor, rows: NativeTensor): NativeTensor;
  /** target[rows[i]] += source[i], in the order of i. */
  scatterRowsAdd(target: NativeTensor, source: NativeTensor, rows: NativeTensor): void;
  /** x `[n, d]` -> f32 `[d]`, the sum over n. */
  columnSum(x: NativeTensor): NativeTensor;
  /** x `[n, d]` of any dtype -> `[d, n]`. */
  transpose(x: NativeTensor): NativeTensor;
}
