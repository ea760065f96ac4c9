import type { NativeTensor } from '../binding.ts';

export interface OptimizerBinding {
  /** One AdamW step over all parameters, in place; the five lists are parallel, step counts from 1. */
  adamwStep(
    parameters: readonly NativeTensor[],
    gradients: readonly NativeTensor[],
    first: readonly NativeTensor[],
    second: readonly NativeTensor[],
    weightDecay: readonly number[],
    lr: number,
    beta1: number,
    beta2: number,
    eps: number,
    step: number,
    gradientScale: number,
  ): void;
  /** Square root of the sum of squares over all tensors, summed in f64. */
  globalNorm(tensors: readonly NativeTensor[]): number;
}
