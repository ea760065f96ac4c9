import type { NativeTensor } from '../binding.ts';

/** Operations of all ranks on tensors. */
export type CollectiveName = 'allReduce' | 'reduceScatter' | 'allGather' | 'allToAll' | 'broadcast';

export interface CommOptions {
  engine: 'tcp' | 'mpi';
  /** MPI knows it itself. */
  rank: number;
  /** As the launcher says; MPI has to agree. */
  size: number;
  /** Where rank 0 can be reached, for tcp. */
  host: string;
  port: number;
  /** Of one operation, in seconds. */
  timeLimit: number;
  /** Of the meeting of the ranks, in seconds. */
  connectLimit: number;
}

/** The other ranks, and the thread that exchanges with them. */
export interface NativeCommunicator {
  /** Over when the ranks have met; the other methods need it. Throws ERR_COMM_SETUP. */
  connect(): Promise<void>;
  rank(): number;
  size(): number;
  /**
   * Returns a number for wait(). `input` is `output` for an operation in place. Throws ERR_SHAPE,
   * ERR_DTYPE and ERR_DEVICE.
   */
  start(
    operation: CollectiveName,
    input: NativeTensor,
    output: NativeTensor,
    root: number,
    name: string,
  ): number;
  /**
   * Broadcasts of several tensors of one dtype, each from the rank of the same place in `roots`.
   * Returns a number for wait().
   */
  startEach(tensors: NativeTensor[], roots: number[], name: string): number;
  /** Returns a number for wait(), which then gives the bytes of all ranks, by rank. */
  startGather(bytes: Uint8Array, name: string): number;
  /** Over when the work is; wait() or block() has to follow. */
  watch(work: number): Promise<Uint8Array[]>;
  /** Once per work. Without bytes for a work on tensors. */
  wait(work: number): Promise<Uint8Array[]>;
  /** The same, but this thread stands still until the work is over. */
  block(work: number): Uint8Array[];
  close(): Promise<void>;
}

/** The GPUs of the ranks. Operations are queued beside the kernels. */
export interface NativeNccl {
  /** Like that of NativeCommunicator, for tensors on the GPU. */
  start(
    operation: CollectiveName,
    input: NativeTensor,
    output: NativeTensor,
    root: number,
    name: string,
  ): number;
  /** Like that of NativeCommunicator, for tensors on the GPU. */
  startEach(tensors: NativeTensor[], roots: number[], name: string): number;
  /** What is queued on the GPU after it sees the results. Throws ERR_COMM_LOST. */
  wait(work: number): void;
  /** Ends operations that are stuck. */
  abort(): void;
  close(): void;
}

export interface CommBinding {
  /** 128 bytes that NativeNccl needs on all ranks. */
  ncclUniqueId(): Uint8Array;
  /** Waits for all ranks. `exact`: sums are in rank order. */
  NativeNccl: new (
    id: Uint8Array,
    rank: number,
    size: number,
    exact: boolean,
  ) => NativeNccl;
  /** Begins to connect. */
  NativeCommunicator: new (
    options: CommOptions,
  ) => NativeCommunicator;
}
