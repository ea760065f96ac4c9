/** The exchange of a training step with the other ranks. A single process is the only rank. */
import type { Tensor } from '../tensor/tensor.ts';

/** The place of this process among all processes of a run. */
export interface Ranks {
  /** From 0 */
  readonly rank: number;
  /** Number of processes. */
  readonly size: number;
}

/** Sums over all ranks of a run. */
export interface Communicator extends Ranks {
  /**
   * Starts to sum an f32 tensor over the ranks, in place and in rank order, and returns at once.
   * Every rank must start the same reductions in the same order. Until wait() the tensor belongs
   * to the reduction.
   */
  allReduce(tensor: Tensor): Reduction;
  /**
   * Sums numbers over the ranks: element i of the result is the sum of all values[i], in rank
   * order. Every rank must give the same count of numbers.
   */
  sum(values: readonly number[]): Promise<number[]>;
}

/** A sum over the ranks that is under way. */
export interface Reduction {
  /** Operations after this see the sums. On a GPU the device waits, and the host may continue. */
  wait(): Promise<void>;
}

/** The communicator of a single rank: a sum over the ranks is the rank's own value. */
export const selfCommunicator: Communicator = {
  rank: 0,
  size: 1,
  allReduce: () => ({ wait: async () => {} }),
  sum: async (values) => [...values],
};
