/** What a training step needs from the other ranks. One process is the case of one rank. */
import type { Tensor } from '../tensor/tensor.ts';

export interface Communicator {
  readonly rank: number;
  readonly size: number;
  /** Sums each tensor over the ranks, in place, in rank order. */
  allReduceSum(tensors: readonly Tensor[]): void;
  /** The sum of a number over the ranks, in rank order. */
  sum(value: number): number;
}

export const selfCommunicator: Communicator = {
  rank: 0,
  size: 1,
  allReduceSum: () => {},
  sum: (value) => value,
};
