import type { NativeTensor } from '../binding.ts';

/** The lists are parallel: one entry per parameter. */
export interface AdamwInputs {
  /**
   * f32, or bf16 and rounded stochastically by bits that depend on (seed, step, place in the list,
   * element) alone.
   */
  parameters: readonly NativeTensor[];
  /** f32, like the moments `first` and `second`. */
  gradients: readonly NativeTensor[];
  first: readonly NativeTensor[];
  second: readonly NativeTensor[];
  weightDecay: readonly number[];
  lr: number;
  beta1: number;
  beta2: number;
  eps: number;
  /** The number of this update, from 1. */
  step: number;
  /** Multiplies every gradient. */
  gradientScale: number;
  seed: number;
}

export interface OptimizerBinding {
  /** One AdamW step over all parameters, in place. */
  adamwStep(inputs: AdamwInputs): void;
  /** Square root of the sum of squares over all tensors, summed in f64. */
  globalNorm(tensors: readonly NativeTensor[]): number;
}
