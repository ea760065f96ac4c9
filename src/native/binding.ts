/**
 * The addon as TypeScript sees it, written by hand: one function per C++ operation of the same name
 * in snake_case. A kernel family's part is in binding/<family>.ts; test/native/binding.test.ts
 * compares all of it with the addon.
 */

import type { ActivationBinding } from './binding/activation.ts';
import type { AttentionBinding } from './binding/attention.ts';
import type { BenchBinding } from './binding/bench.ts';
import type { BuildInfoBinding } from './binding/build-info.ts';
import type { CommBinding } from './binding/comm.ts';
import type { DecoderBinding } from './binding/decoder.ts';
import type { DedupBinding } from './binding/dedup.ts';
import type { ElementwiseBinding } from './binding/elementwise.ts';
import type { EmbeddingBinding } from './binding/embedding.ts';
import type { FrozenBinding } from './binding/frozen.ts';
import type { GgufBinding } from './binding/gguf.ts';
import type { LinearBinding } from './binding/linear.ts';
import type { LogitsBinding } from './binding/logits.ts';
import type { LossBinding } from './binding/loss.ts';
import type { NormBinding } from './binding/norm.ts';
import type { OptimizerBinding } from './binding/optimizer.ts';
import type { PolicyBinding } from './binding/policy.ts';
import type { PreferenceBinding } from './binding/preference.ts';
import type { QuantizedBinding } from './binding/quantized.ts';
import type { QueryKeyNormBinding } from './binding/query-key-norm.ts';
import type { RandomBinding } from './binding/random.ts';
import type { RowsBinding } from './binding/rows.ts';
import type { SamplingBinding } from './binding/sampling.ts';
import type { SegmentsBinding } from './binding/segments.ts';
import type { ShardBinding } from './binding/shard.ts';
import type { SoftmaxBinding } from './binding/softmax.ts';
import type { TextBinding } from './binding/text.ts';

/** Element types of tensors. */
export type DType = 'f32' | 'bf16' | 'i32' | 'u8';
/**
 * The elements of a tensor in JavaScript: f32, bf16 (its raw 16 bits), i32 and u8 in this order.
 */
export type TypedArray = Float32Array | Uint16Array | Int32Array | Uint8Array;

/** An opaque handle on a tensor. dispose() frees the storage before the garbage collector would. */
export interface NativeTensor {
  dispose(): void;
}

export interface TensorBinding {
  NativeTensor: new () => NativeTensor;
  setErrorClass(errorClass: unknown): void;
  /**
   * [name, parameter names, parameter types, result type] of each bound function, as TypeScript
   * writes them, the types out of those of C++. A class is its constructor, and a method is
   * `Class.method`.
   */
  signatures(): [string, string[], string[], string][];
  empty(shape: readonly number[], dtype: DType): NativeTensor;
  view(tensor: NativeTensor, shape: readonly number[]): NativeTensor;
  slice(tensor: NativeTensor, begin: number, end: number): NativeTensor;
  /** Tells the garbage collector the size of a tensor that no scope will dispose of. */
  account(tensor: NativeTensor): void;
  dtypeOf(tensor: NativeTensor): DType;
  shapeOf(tensor: NativeTensor): number[];
  read(tensor: NativeTensor): TypedArray;
  write(tensor: NativeTensor, values: TypedArray): void;
}

/** The instruction sets that CPU kernels are compiled for. */
export type CpuIsa = 'portable' | 'avx2' | 'avx512' | 'avx512bf16';
export type DeviceType = 'cpu' | 'cuda';

export interface RuntimeBinding {
  activeIsa(): CpuIsa;
  supportedIsas(): CpuIsa[];
  setIsa(name: CpuIsa): void;
  numThreads(): number;
  setNumThreads(count: number): void;
  /**
   * Sets the device of new tensors. Throws ERR_CUDA_UNAVAILABLE, with the reason and the remedy.
   */
  setDevice(type: DeviceType): void;
  device(): DeviceType;
  /**
   * Whether there is a GPU that this build can use; then its name, or the missing part and the
   * remedy.
   */
  cudaStatus(): [boolean, string];
  /** Waits for the work that is queued on the GPU and throws its error; the CPU queues nothing. */
  synchronize(): void;
  /**
   * Records the work for the GPU from here on instead of running it; waiting for the GPU or copying
   * to it throws meanwhile. Throws ERR_STATE on the CPU.
   */
  beginRecording(): void;
  /**
   * A graph of the recorded work. A launch runs it again, at the same addresses. The graph keeps
   * its memory until freeGraph.
   */
  endRecording(): number;
  /** Ends the recording without a graph. */
  abandonRecording(): void;
  /** @param written tensors that the graph writes to */
  launchGraph(graph: number, written: readonly NativeTensor[]): void;
  freeGraph(graph: number): void;
  /** [allocated, peak, cached, limit] of the current device, in bytes. */
  memoryStats(): [number, number, number, number];
  setMemoryLimit(bytes: number): void;
  trimMemory(): void;
  resetPeakMemory(): void;
  /**
   * Locks an open file, without waiting, until it is closed. `held` means that another open file
   * has the lock, in this process or another. `unsupported`: the file system has no locks.
   */
  lockFile(descriptor: number): 'taken' | 'held' | 'unsupported';
}

export interface Binding
  extends TensorBinding,
    RuntimeBinding,
    BuildInfoBinding,
    ElementwiseBinding,
    AttentionBinding,
    DecoderBinding,
    QuantizedBinding,
    QueryKeyNormBinding,
    LinearBinding,
    LogitsBinding,
    LossBinding,
    BenchBinding,
    TextBinding,
    DedupBinding,
    GgufBinding,
    CommBinding,
    ShardBinding,
    NormBinding,
    ActivationBinding,
    EmbeddingBinding,
    FrozenBinding,
    OptimizerBinding,
    SamplingBinding,
    RandomBinding,
    RowsBinding,
    PolicyBinding,
    PreferenceBinding,
    SegmentsBinding,
    SoftmaxBinding {}
