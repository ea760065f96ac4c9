import type { DType, NativeTensor } from '../binding.ts';

export interface AttentionForwardInputs {
  /** `[n, (heads + 2 kvHeads) headDim]` */
  qkv: NativeTensor;
  /** i32 `[sequences + 1]` */
  cuSeqlens: NativeTensor;
  heads: number;
  kvHeads: number;
  scale: number;
  /** Keys that a query sees, its own included. Default: all before it. */
  window?: number | undefined;
  /** A score s counts as softcap tanh(s / softcap). */
  softcap?: number | undefined;
}

export interface AttentionBackwardInputs {
  dout: NativeTensor;
  qkv: NativeTensor;
  out: NativeTensor;
  lse: NativeTensor;
  cuSeqlens: NativeTensor;
  heads: number;
  kvHeads: number;
  scale: number;
  /** Keys that a query sees, its own included. Default: all before it. */
  window?: number | undefined;
  /** A score s counts as softcap tanh(s / softcap). */
  softcap?: number | undefined;
}

export interface AttentionCachedInputs {
  /** `[n, (heads + 2 kvHeads) headDim]` of the new tokens. */
  qkv: NativeTensor;
  /** The cached keys and values of one layer, from kvCacheCreate. */
  keys: NativeTensor;
  values: NativeTensor;
  /** i32 `[sequences]`: the cache slot of each sequence. */
  slots: NativeTensor;
  cuSeqlens: NativeTensor;
  /** i32 `[sequences]`: tokens already in the slot. */
  pastLengths: NativeTensor;
  /** Tokens for which a slot has room. */
  maxTokens: number;
  heads: number;
  kvHeads: number;
  scale: number;
  /** Keys that a query sees, its own included. Default: all before it. */
  window?: number | undefined;
  /** A score s counts as softcap tanh(s / softcap). */
  softcap?: number | undefined;
}

export interface AttentionBinding {
  /**
   * [out `[n, heads headDim]`, lse f32 `[n, heads]`]: causal self-attention of packed sequences,
   * and for each head the logarithm of the sum of its exponentiated scores.
   */
  attentionForward(inputs: AttentionForwardInputs): [NativeTensor, NativeTensor];
  /** Returns dqkv, of the shape of qkv. */
  attentionBackward(inputs: AttentionBackwardInputs): NativeTensor;
  /** [keys, values]: an empty cache of `slots` sequences. */
  kvCacheCreate(
    slots: number,
    maxTokens: number,
    kvHeads: number,
    headDim: number,
    dtype: DType,
  ): [NativeTensor, NativeTensor];
  /**
   * Appends the keys and values of the new tokens to the cache, attends to the whole cache and
   * returns out `[n, heads headDim]`.
   */
  attentionCached(inputs: AttentionCachedInputs): NativeTensor;
  /**
   * f32 `[maxPositions, width]`: cosines, then sines, of rotary positions (Su et al., 2021), times
   * `magnitude`. `frequencies` are width / 2 factors on the frequencies. Both are 1 by default.
   */
  ropeTable(
    maxPositions: number,
    width: number,
    theta: number,
    frequencies?: readonly number[] | undefined,
    magnitude?: number | undefined,
  ): NativeTensor;
  /**
   * Rotates the queries and keys of qkv in place, of each head as many elements as the table is
   * wide. `inverse` turns the other way, as gradients do.
   */
  rope(
    qkv: NativeTensor,
    positions: NativeTensor,
    table: NativeTensor,
    heads: number,
    kvHeads: number,
    inverse: boolean,
  ): void;
}
