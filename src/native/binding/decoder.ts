import type { DType, NativeTensor } from '../binding.ts';

/** A part that a model may lack is undefined. */
type Optional<T> = T | undefined;

export interface DecoderNorm {
  gain: NativeTensor;
  bias: Optional<NativeTensor>;
}

export interface DecoderProjection {
  /** `[out, in]` */
  weight: NativeTensor;
  bias: Optional<NativeTensor>;
}

/** One block in the order of use; native/ops/decoder.h has the shapes. */
export interface DecoderLayer {
  attentionNorm: DecoderNorm;
  qkv: DecoderProjection;
  /** RMS norm of each query and key head: gains `[headDim]`. */
  queryKeyNorm: Optional<{ queryGain: NativeTensor; keyGain: NativeTensor }>;
  ropeTable: Optional<NativeTensor>;
  output: DecoderProjection;
  mlpNorm: DecoderNorm;
  activation: 'gelu' | 'swiglu';
  /** Gate and up, stacked, where the activation is SwiGLU. */
  up: DecoderProjection;
  down: DecoderProjection;
}

export interface DecoderModel {
  tokenTable: NativeTensor;
  positionTable: Optional<NativeTensor>;
  layers: readonly DecoderLayer[];
  finalNorm: DecoderNorm;
  /** Of all norms but those of queries and keys. */
  norm: 'layer' | 'rms';
  eps: number;
  heads: number;
  kvHeads: number;
  /** Of activations. */
  dtype: DType;
}

/** scale B A is added to a projection's weight. */
export interface DecoderAdapter {
  /** `[rank, in]` */
  a: NativeTensor;
  /** `[out, rank]` */
  b: NativeTensor;
  scale: number;
}

export type DecoderLayerAdapters = Record<'qkv' | 'output' | 'up' | 'down', Optional<DecoderAdapter>>;

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
  /** Keys, then values of each layer in turn. */
  caches: readonly NativeTensor[];
  maxTokens: number;
  /** One per layer, or none. */
  adapters: readonly DecoderLayerAdapters[];
}

/** A model that decodes. It shares the memory of the weights until it is disposed. */
export interface NativeDecoder {
  /** Hidden states `[n, d]` of tokens that continue cached sequences; appends to the caches. */
  forward(step: DecoderStep): NativeTensor;
  dispose(): void;
}

export interface DecoderBinding {
  /** Throws ERR_ARGUMENT that names a field which is missing. */
  NativeDecoder: new (
    model: DecoderModel,
  ) => NativeDecoder;
}
