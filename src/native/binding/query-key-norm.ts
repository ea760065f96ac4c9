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
  /** [y, queries, keys, queryRstd, keyRstd]: y is qkv with its query and key heads normed. */
  queryKeyNormForward(
    qkv: NativeTensor,
    queryGain: NativeTensor,
    keyGain: NativeTensor,
    heads: number,
    kvHeads: number,
    eps: number,
  ): [NativeTensor, NativeTensor, NativeTensor, NativeTensor, NativeTensor];
  /** dqkv; the gains' gradients are added to. */
  queryKeyNormBackward(inputs: QueryKeyNormBackwardInputs): NativeTensor;
}
