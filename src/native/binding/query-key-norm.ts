import type { NativeTensor } from '../binding.ts';

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
}

export interface QueryKeyNormBinding {
  /** [y, queries, keys, queryRstd, keyRstd], where y is qkv with normalised query and key heads. */
  queryKeyNormForward(
    qkv: NativeTensor,
    queryGain: NativeTensor,
    keyGain: NativeTensor,
    heads: number,
    kvHeads: number,
    eps: number,
  ): [NativeTensor, NativeTensor, NativeTensor, NativeTensor, NativeTensor];
  /** Returns dqkv and adds to dqueryGain and dkeyGain. */
  queryKeyNormBackward(inputs: QueryKeyNormBackwardInputs): NativeTensor;
}
