import type { DType, NativeTensor } from '../binding.ts';

export interface AttentionBinding {
  /** [out `[n, heads headDim]`, lse f32 `[n, heads]`] */
  attentionForward(
    qkv: NativeTensor,
    cuSeqlens: NativeTensor,
    heads: number,
    kvHeads: number,
    scale: number,
  ): [NativeTensor, NativeTensor];
  attentionBackward(
    dout: NativeTensor,
    qkv: NativeTensor,
    out: NativeTensor,
    lse: NativeTensor,
    cuSeqlens: NativeTensor,
    heads: number,
    kvHeads: number,
    scale: number,
  ): NativeTensor;
  /** [keys, values] */
  kvCacheCreate(
    slots: number,
    maxTokens: number,
    kvHeads: number,
    headDim: number,
    dtype: DType,
  ): [NativeTensor, NativeTensor];
  attentionCached(
    qkv: NativeTensor,
    keys: NativeTensor,
    values: NativeTensor,
    slots: NativeTensor,
    cuSeqlens: NativeTensor,
    pastLengths: NativeTensor,
    maxTokens: number,
    heads: number,
    kvHeads: number,
    scale: number,
  ): NativeTensor;
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
