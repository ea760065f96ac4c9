import type { NativeTensor } from '../binding.ts';

/** The lists are parallel: one entry per parameter, or per run of a parameter's elements. */
export interface AdamwInputs {
  /**
   * f32, or bf16 and rounded stochastically by bits that depend on (seed, step, place, element of
   * the parameter) alone.
   */
  parameters: readonly NativeTensor[];
  /** f32, like the moments `first` and `second`. */
  gradients: readonly NativeTensor[];
  first: readonly NativeTensor[];
  second: readonly NativeTensor[];
  weightDecay: readonly number[];
  /** The number of the parameter among all that train. */
  place: readonly number[];
  /** The element of the parameter with which a run begins: a multiple of 4096. */
  begin: readonly number[];
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
  /**
   * f64: the sum of squares of each 4096 elements, tensor after tensor. The last sum of a tensor
   * may be of fewer.
   */
  squaresByChunk(tensors: readonly NativeTensor[]): Float64Array;
}
