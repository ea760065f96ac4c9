/** What a training step needs from the other ranks. One process is the case of one rank. */
import type { Tensor } from '../tensor/tensor.ts';

/** Which process of how many this is. */
export interface Ranks {
  /** From 0 */
  readonly rank: number;
  readonly size: number;
}

export interface Communicator extends Ranks {
  /**
   * Starts to sum an f32 tensor over the ranks, in place and in rank order, and returns at once.
   * Every rank must start the same reductions in the same order. Until wait() the tensor belongs to
   * the reduction.
   */
  allReduce(tensor: Tensor): Reduction;
  /** The sums of some numbers over the ranks, each in rank order. Every rank gives equally many. */
  sum(values: readonly number[]): Promise<number[]>;
}

/** A sum over the ranks that is under way. */
export interface Reduction {
  /**
   * What is computed afterwards sees the sums. On a GPU the device may wait in the host's place.
   */
  wait(): Promise<void>;
}

export const selfCommunicator: Communicator = {
  rank: 0,
  size: 1,
  allReduce: () => ({ wait: async () => {} }),
  sum: async (values) => [...values],
};
