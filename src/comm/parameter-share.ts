/** What an optimizer updates in this process, where ranks share the parameters among themselves. */
import type { NativeTensor } from '../native/binding.ts';
import type { Tensor } from '../tensor/tensor.ts';
import type { Run } from './batch-sums.ts';

/** The elements of parameters that this process updates, and their gradients. */
export interface ParameterShare {
  /** The elements of a parameter. They begin at a multiple of 4096. */
  runOf(parameter: Tensor): Run;
  /**
   * A view of these elements, of which there are some, in the shape of their gradient. The caller
   * disposes of it.
   */
  elementsOf(parameter: Tensor): NativeTensor;
  /** f32, of these elements; undefined where the parameter has no gradient, or no elements here. */
  gradientOf(parameter: Tensor): Tensor | undefined;
  /** Whether the parameter has a gradient, in this process or another. */
  hasGradient(parameter: Tensor): boolean;
}
