/**
 * The TypeScript view of the addon, written by hand. Each function is the C++ operation of the same
 * name in snake_case. Each kernel family has its part in binding/<family>.ts.
 * test/native/binding.test.ts compares all signatures with the addon.
 */

import type { ActivationBinding } from './binding/activation.ts';
import type { AttentionBinding } from './binding/attention.ts';
import type { BenchBinding } from './binding/bench.ts';
import type { BuildInfoBinding } from './binding/build-info.ts';
import type { DecoderBinding } from './binding/decoder.ts';
import type { ElementwiseBinding } from './binding/elementwise.ts';
import type { EmbeddingBinding } from './binding/embedding.ts';
import type { LinearBinding } from './binding/linear.ts';
import type { LossBinding } from './binding/loss.ts';
import type { NormBinding } from './binding/norm.ts';
import type { OptimizerBinding } from './binding/optimizer.ts';
import type { PolicyBinding } from './binding/policy.ts';
import type { PreferenceBinding } from './binding/preference.ts';
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
   * [name, parameter types, result type] of each bound function, derived from the C++ types and
   * spelled as in TypeScript.
   */
  signatures(): [string, string[], string][];
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
   * Chooses where new tensors are made. Throws ERR_CUDA_UNAVAILABLE with the reason and the remedy.
   */
  setDevice(type: DeviceType): void;
  device(): DeviceType;
  /**
   * [usable, detail]: whether this build can use a GPU of this machine. The detail is the name of
   * the GPU, or else the problem and its remedy.
   */
  cudaStatus(): [boolean, string];
  /** Waits for all work queued on the GPU and throws its errors. On the CPU nothing is queued. */
  synchronize(): void;
  /**
   * From now on work for the GPU is recorded and does not run yet. Operations that would wait for
   * the GPU or send data to it throw. Throws ERR_STATE on the CPU.
   */
  beginRecording(): void;
  /**
   * Ends the recording and returns a graph. Each launch of the graph repeats the recorded work at
   * the same addresses. The graph keeps its memory until freeGraph.
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
}

export interface Binding
  extends TensorBinding,
    RuntimeBinding,
    BuildInfoBinding,
    ElementwiseBinding,
    AttentionBinding,
    DecoderBinding,
    QueryKeyNormBinding,
    LinearBinding,
    LossBinding,
    BenchBinding,
    TextBinding,
    ShardBinding,
    NormBinding,
    ActivationBinding,
    EmbeddingBinding,
    OptimizerBinding,
    SamplingBinding,
    RandomBinding,
    RowsBinding,
    PolicyBinding,
    PreferenceBinding,
    SegmentsBinding,
    SoftmaxBinding {}
