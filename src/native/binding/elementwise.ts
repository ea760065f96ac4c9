import type { DType, NativeTensor } from '../binding.ts';

export interface ElementwiseBinding {
  /** a * alpha + b * beta */
  axpby(a: NativeTensor, alpha: number, b: NativeTensor, beta: number): NativeTensor;
  /** The same into `target`, which may be `a` or `b`. */
  axpbyInto(target: NativeTensor, a: NativeTensor, alpha: number, b: NativeTensor, beta: number): void;
  /** target += alpha * source */
  addScaledInto(target: NativeTensor, source: NativeTensor, alpha: number): void;
  /** target += weight * (source - target) */
  lerpInto(target: NativeTensor, source: NativeTensor, weight: number): void;
  scale(a: NativeTensor, alpha: number): NativeTensor;
  scaleInto(target: NativeTensor, alpha: number): void;
  multiply(a: NativeTensor, b: NativeTensor): NativeTensor;
  full(shape: readonly number[], dtype: DType, value: number): NativeTensor;
  fillInto(target: NativeTensor, value: number): void;
  cast(a: NativeTensor, dtype: DType): NativeTensor;
  sum(a: NativeTensor): number;
  copyInto(target: NativeTensor, source: NativeTensor): void;
}
