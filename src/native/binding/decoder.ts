import type { DType, NativeTensor } from '../binding.ts';

export interface DecoderBinding {
  /**
   * The hidden states `[n, d]` of tokens that continue cached sequences. native/ops/decoder.h has the order of weights and
   * adapters.
   */
  decoderCached(
    weights: readonly (NativeTensor | undefined)[],
    adapters: readonly (NativeTensor | undefined)[],
    scales: readonly number[],
    caches: readonly NativeTensor[],
    tokens: NativeTensor,
    positions: NativeTensor,
    cuSeqlens: NativeTensor,
    slots: NativeTensor,
    pastLengths: NativeTensor,
    maxTokens: number,
    heads: number,
    kvHeads: number,
    llama: boolean,
    eps: number,
    dtype: DType,
  ): NativeTensor;
}
