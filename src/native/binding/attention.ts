import type { DType, NativeTensor } from '../binding.ts';

export interface AttentionBackwardInputs {
  dout: NativeTensor;
  qkv: NativeTensor;
  out: NativeTensor;
  lse: NativeTensor;
  cuSeqlens: NativeTensor;
  heads: number;
  kvHeads: number;
  scale: number;
}

export interface AttentionCachedInputs {
  /** Of the new tokens, as cuSeqlens. */
  qkv: NativeTensor;
  /** From kvCacheCreate, as values. */
  keys: NativeTensor;
  values: NativeTensor;
  /** i32 `[sequences]`: the cache slot of each sequence. */
  slots: NativeTensor;
  cuSeqlens: NativeTensor;
  /** i32 `[sequences]`: tokens already in the slot. */
  pastLengths: NativeTensor;
  maxTokens: number;
  heads: number;
  kvHeads: number;
  scale: number;
}

export interface AttentionBinding {
  /** [out `[n, heads headDim]`, lse f32 `[n, heads]`] */
  attentionForward(
    qkv: NativeTensor,
    cuSeqlens: NativeTensor,
    heads: number,
    kvHeads: number,
    scale: number,
  ): [NativeTensor, NativeTensor];
  /** -> dqkv */
  attentionBackward(inputs: AttentionBackwardInputs): NativeTensor;
  /** [keys, values] */
  kvCacheCreate(
    slots: number,
    maxTokens: number,
    kvHeads: number,
    headDim: number,
    dtype: DType,
  ): [NativeTensor, NativeTensor];
  /** Appends the keys and values of the new tokens to the cache and attends to all of it -> out. */
  attentionCached(inputs: AttentionCachedInputs): NativeTensor;
  ropeTable(maxPositions: number, headDim: number, theta: number): NativeTensor;
  /** In place. */
  rope(
    qkv: NativeTensor,
    positions: NativeTensor,
    table: NativeTensor,
    heads: number,
    kvHeads: number,
    inverse: boolean,
  ): void;
}
