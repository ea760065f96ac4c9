import type { NativeTensor } from '../binding.ts';

export interface QueryKeyNormForwardInputs {
  qkv: NativeTensor;
  queryGain: NativeTensor;
  keyGain: NativeTensor;
  heads: number;
  kvHeads: number;
  eps: number;
  /** Added to both gains. */
  gainOffset?: number | undefined;
}

export interface QueryKeyNormBackwardInputs {
  dy: NativeTensor;
  queries: NativeTensor;
  keys: NativeTensor;
  queryGain: NativeTensor;
  keyGain: NativeTensor;
  queryRstd: NativeTensor;
  keyRstd: NativeTensor;
  dqueryGain: NativeTensor;
  dkeyGain: NativeTensor;
  gainOffset?: number | undefined;
}

export interface QueryKeyNormBinding {
  /**
   * [y, queries, keys, queryRstd, keyRstd], where y is qkv with normalised queries and keys. Gains
   * are `[headDim]` for each head, or `[heads headDim]` and `[kvHeads headDim]` for all at once.
   */
  queryKeyNormForward(
    inputs: QueryKeyNormForwardInputs,
  ): [NativeTensor, NativeTensor, NativeTensor, NativeTensor, NativeTensor];
  /** Returns dqkv and adds to dqueryGain and dkeyGain. */
  queryKeyNormBackward(inputs: QueryKeyNormBackwardInputs): NativeTensor;
}
