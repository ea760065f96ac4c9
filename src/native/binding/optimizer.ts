import type { NativeTensor } from '../binding.ts';

export interface OptimizerBinding {
  /**
   * One AdamW step over all parameters, in place; the five lists are parallel, step counts from 1. Parameters are f32, or
   * bf16 and rounded stochastically by bits that depend on (seed, step, place in the list, element) alone; all else is f32.
   */
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
    seed: number,
  ): void;
  /** Square root of the sum of squares over all tensors, summed in f64. */
  globalNorm(tensors: readonly NativeTensor[]): number;
}
