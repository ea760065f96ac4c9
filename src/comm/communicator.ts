/** The exchange of a run with its other ranks. A single process is the only rank. */
import type { Tensor } from '../tensor/tensor.ts';

/** The place of this process among all processes of a run. */
export interface Ranks {
  /** From 0 */
  readonly rank: number;
  /** Number of processes. */
  readonly size: number;
}

/**
 * Collective operations of all ranks of a run. Every rank starts the same operations with the same
 * sizes and dtypes in the same order. An operation on tensors starts at once; until its wait()
 * is over its tensors belong to it. Sums are in rank order, so their bits are a function of the
 * values alone, and all ranks get the same bits.
 *
 * `name` stands in errors, such as 'gradients 3'. Operations throw, at once or in wait():
 * - ERR_SHAPE, ERR_DTYPE: sizes or dtypes that do not fit;
 * - ERR_COMM_TIMEOUT: a rank did not arrive within the time limit;
 * - ERR_COMM_LOST: a rank ended, or the connection to it broke;
 * - ERR_MISMATCH: the ranks started different operations;
 * - ERR_STATE: after close().
 * After an operation that failed, all later ones fail with its error.
 */
export interface Communicator extends Ranks {
  /** Sums a tensor of f32 or bf16 over the ranks, in place. bf16 is summed in f32, rounded once. */
  allReduce(tensor: Tensor, name?: string): Work;
  /**
   * Sums inputs of `size` equal parts; rank r gets the sum of the parts r.
   * @param input `[size * n]`, f32 or bf16
   * @param output `[n]`, of the same dtype
   */
  reduceScatter(input: Tensor, output: Tensor, name?: string): Work;
  /**
   * Part r of the output is the input of rank r.
   * @param input `[n]`, any dtype. It may be part `rank` of the output itself.
   * @param output `[size * n]`, of the same dtype
   */
  allGather(input: Tensor, output: Tensor, name?: string): Work;
  /**
   * Sends part r of the input to rank r. The output has what the other ranks sent, in rank order:
   * the own part does not move.
   * @param input `[size * n]`, any dtype
   * @param output `[(size - 1) * n]`, of the same dtype
   */
  allToAll(input: Tensor, output: Tensor, name?: string): Work;
  /** Gives all ranks the tensor of rank `root`, of any dtype. */
  broadcast(tensor: Tensor, root: number, name?: string): Work;
  /**
   * Several broadcasts at once. Every rank gives pieces of the same sizes with the same roots, all
   * of one dtype.
   */
  broadcastEach(pieces: readonly Piece[], name?: string): Work;
  /**
   * Sums numbers over the ranks: element i of the result is the sum of all values[i], in rank
   * order. Every rank must give the same count of numbers.
   */
  sum(values: readonly number[], name?: string): Promise<number[]>;
  /** The numbers of all ranks, by rank. Counts may differ. */
  gather(values: readonly number[], name?: string): Promise<number[][]>;
  /** The texts of all ranks, by rank, for example to compare options. */
  gatherText(text: string, name?: string): Promise<string[]>;
  /** Is over when all ranks have come to it. */
  barrier(name?: string): Promise<void>;
  /** Ends the exchange. Every rank calls it, after its last operation is over. */
  close(): Promise<void>;
}

/** A tensor that all ranks get from one. */
export interface Piece {
  tensor: Tensor;
  /** The rank that has it. */
  root: number;
}

/** An operation that is under way. */
export interface Work {
  /**
   * Operations after this see the results. On a GPU the device waits, and the host may continue.
   */
  wait(): Promise<void>;
  /**
   * The same, but this thread stands still meanwhile. Call either. A communicator without it cannot
   * give weights to a pass that is under way, as ZeRO-3 does.
   */
  block?(): void;
}
