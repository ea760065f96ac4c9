import type { DType, NativeTensor } from '../binding.ts';
import type { FrozenMatrix } from './frozen.ts';

/** A part that a model lacks is undefined, here and below. */
export interface DecoderNorm {
  gain: NativeTensor;
  bias: NativeTensor | undefined;
}

export interface DecoderProjection {
  /** `[out, in]` */
  weight?: NativeTensor | undefined;
  bias: NativeTensor | undefined;
  /** The weight in int8, used in its place; from quantizeWeight. */
  quantized?: NativeTensor | undefined;
  /** Where there is no weight. */
  frozen?: FrozenMatrix | undefined;
}

/** The weights of one block in the order of use. native/ops/decoder.h has the shapes. */
export interface DecoderLayer {
  /** Norms before and after the two branches. */
  attentionNorm?: DecoderNorm | undefined;
  qkv: DecoderProjection;
  /** RMS norm of queries and keys: gains `[headDim]` for each head, or as wide as all of them. */
  queryKeyNorm: { queryGain: NativeTensor; keyGain: NativeTensor } | undefined;
  ropeTable: NativeTensor | undefined;
  /** Keys that a query sees, its own included. */
  window?: number | undefined;
  output: DecoderProjection;
  attentionOutputNorm?: DecoderNorm | undefined;
  mlpNorm?: DecoderNorm | undefined;
  activation: 'gelu' | 'gelu-erf' | 'swiglu' | 'geglu';
  /** With a gate: gate and up, stacked. */
  up: DecoderProjection;
  down: DecoderProjection;
  mlpOutputNorm?: DecoderNorm | undefined;
  /** Whether both branches read the stream as it was before the block. */
  parallel?: boolean | undefined;
}

export interface DecoderModel {
  tokenTable: NativeTensor;
  positionTable: NativeTensor | undefined;
  layers: readonly DecoderLayer[];
  finalNorm: DecoderNorm;
  /** The kind of all norms except those of queries and keys. */
  norm: 'layer' | 'rms';
  eps: number;
  /** Added to the gains of RMS norms. */
  normOffset?: number | undefined;
  heads: number;
  kvHeads: number;
  /** Factor on the embeddings. */
  embeddingScale?: number | undefined;
  /** Factor on scores. Default 1 / sqrt(headDim). */
  attentionScale?: number | undefined;
  attentionSoftcap?: number | undefined;
  /** Dtype of activations. */
  dtype: DType;
}

/** A LoRA adapter, which adds scale B A to the weight of a projection. */
export interface DecoderAdapter {
  /** `[rank, in]` */
  a: NativeTensor;
  /** `[out, rank]` */
  b: NativeTensor;
  scale: number;
}

export interface DecoderLayerAdapters {
  qkv: DecoderAdapter | undefined;
  output: DecoderAdapter | undefined;
  up: DecoderAdapter | undefined;
  down: DecoderAdapter | undefined;
}

/** The sequences of one call. */
export interface DecoderStep {
  /** i32 `[n]` */
  tokens: NativeTensor;
  /** i32 `[n]` */
  positions: NativeTensor;
  /** i32 `[sequences + 1]` */
  cuSeqlens: NativeTensor;
  /** i32 `[sequences]` */
  slots: NativeTensor;
  /** i32 `[sequences]` */
  pastLengths: NativeTensor;
  /** The keys and then the values of each layer in turn. */
  caches: readonly NativeTensor[];
  /** Tokens for which a slot has room. */
  maxTokens: number;
  /** One per layer, or an empty list without adapters. */
  adapters: readonly DecoderLayerAdapters[];
}

/** A model that decodes. It shares the memory of the weights until dispose(). */
export interface NativeDecoder {
  /**
   * Appends to the caches and returns the hidden states `[n, d]` of tokens that
   * continue cached sequences.
   */
  forward(step: DecoderStep): NativeTensor;
  dispose(): void;
}

export interface DecoderBinding {
  /** Throws ERR_ARGUMENT naming a field that is missing. */
  NativeDecoder: new (
    model: DecoderModel,
  ) => NativeDecoder;
}
