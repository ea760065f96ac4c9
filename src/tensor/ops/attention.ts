/** Causal self-attention over packed sequences. */
import { native } from '../../native/addon.ts';
import { record } from '../autograd.ts';
import { Tensor } from '../tensor.ts';

/** The heads of an attention layer. */
export interface AttentionShape {
  /** Query heads. */
  heads: number;
  /** Key and value heads. Each serves heads / kvHeads query heads. */
  kvHeads: number;
  /** Channels per head. */
  headDim: number;
  /** Tokens that a token sees: itself and those just before. Default: all before it. */
  window?: number | undefined;
  /** Factor on scores. Default 1 / sqrt(headDim). */
  scale?: number | undefined;
  /** A score s counts as softcap tanh(s / softcap). Default: as it is. */
  softcap?: number | undefined;
}

/** The sequences that the rows of a packed batch belong to. */
export interface SequenceIndex {
  /** i32 `[n]`: each token's place in its sequence, from 0. */
  positions: Tensor;
  /** i32 `[sequences + 1]`: where each sequence begins. The first is 0, the last is n. */
  cuSeqlens: Tensor;
}

/**
 * softmax(Q K^T / sqrt(headDim)) V for each head, in which a token attends to itself and to the
 * earlier tokens of its sequence (Vaswani et al., 2017), or to those in its window.
 * @param qkv `[n, (heads + 2 kvHeads) headDim]`: queries, keys, values. It is consumed: with a rope
 * table its queries and keys are rotated in place
 * @param ropeTable f32 `[maxPositions, rotated channels of a head]`: rotary positions (Su et al.,
 * 2021)
 * @returns `[n, heads headDim]`
 */
export function causalSelfAttention(
  qkv: Tensor,
  index: SequenceIndex,
  shape: AttentionShape,
  ropeTable?: Tensor,
): Tensor {
  const { heads, kvHeads, headDim, window, softcap } = shape;
  const { positions, cuSeqlens } = index;
  const scale = shape.scale ?? 1 / Math.sqrt(headDim);
  const options = { heads, kvHeads, scale, window, softcap };
  const rotate = (target: Tensor, inverse: boolean) => {
    if (ropeTable) native.rope(target.handle, positions.handle, ropeTable.handle, heads, kvHeads, inverse);
  };
  rotate(qkv, false);
  const [outHandle, lseHandle] = native.attentionForward({
    qkv: qkv.handle,
    cuSeqlens: cuSeqlens.handle,
    ...options,
  });
  const out = new Tensor(outHandle);
  const lse = new Tensor(lseHandle);
  record('causalSelfAttention', [qkv], [out], ([dout]) => {
    const dqkv = new Tensor(
      native.attentionBackward({
        dout: dout!.handle,
        qkv: qkv.handle,
        out: out.handle,
        lse: lse.handle,
        cuSeqlens: cuSeqlens.handle,
        ...options,
      }),
    );
    rotate(dqkv, true);
    return [dqkv];
  });
  return out;
}
