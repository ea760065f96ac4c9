/**
 * RMS norm of queries and keys before attention, which bounds the scores (Henry et al., 2020): of
 * each head, or of all heads together.
 */
import { native } from '../../native/addon.ts';
import { record } from '../autograd.ts';
import { Tensor, zeros } from '../tensor.ts';

export interface QueryKeyNormOptions {
  /** f32 `[headDim]`, shared by all query heads, or `[heads headDim]` for one norm over them. */
  queryGain: Tensor;
  /** f32 `[headDim]`, or `[kvHeads headDim]`. */
  keyGain: Tensor;
  heads: number;
  kvHeads: number;
  eps: number;
  /** Added to both gains. Default 0. */
  gainOffset?: number | undefined;
}

/**
 * Normalises the queries and keys of qkv. Values stay as they are.
 * @param qkv `[n, (heads + 2 kvHeads) headDim]`: queries, keys, values
 * @returns a new tensor of the same shape
 */
export function queryKeyNorm(qkv: Tensor, options: QueryKeyNormOptions): Tensor {
  const { queryGain, keyGain, heads, kvHeads, eps, gainOffset } = options;
  const [y, queries, keys, queryRstd, keyRstd] = native
    .queryKeyNormForward({
      qkv: qkv.handle,
      queryGain: queryGain.handle,
      keyGain: keyGain.handle,
      ...{ heads, kvHeads, eps, gainOffset },
    })
    .map((handle) => new Tensor(handle)) as [Tensor, Tensor, Tensor, Tensor, Tensor];
  record('queryKeyNorm', [qkv, queryGain, keyGain], [y], ([dy], accumulate) => {
    const dqkv = native.queryKeyNormBackward({
      dy: dy!.handle,
      queries: queries.handle,
      keys: keys.handle,
      queryGain: queryGain.handle,
      keyGain: keyGain.handle,
      queryRstd: queryRstd.handle,
      keyRstd: keyRstd.handle,
      // The gradient of a frozen gain is discarded.
      dqueryGain: (accumulate(queryGain) ?? zeros(queryGain.shape)).handle,
      dkeyGain: (accumulate(keyGain) ?? zeros(keyGain.shape)).handle,
      gainOffset,
    });
    return [new Tensor(dqkv)];
  });
  return y;
}
