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
 * earlier tokens of its sequence (Vaswani et al., 2017).
 * @param qkv `[n, (heads + 2 kvHeads) headDim]`: queries, keys, values. It is consumed: with a rope
 * table its queries and keys are rotated in place
 * @param ropeTable f32 `[maxPositions, headDim]`: rotary positions (Su et al., 2021)
 * @returns `[n, heads headDim]`
 */
export function causalSelfAttention(
  qkv: Tensor,
  index: SequenceIndex,
  shape: AttentionShape,
  ropeTable?: Tensor,
): Tensor {
  const { heads, kvHeads, headDim } = shape;
  const { positions, cuSeqlens } = index;
  const scale = 1 / Math.sqrt(headDim);
  const rotate = (target: Tensor, inverse: boolean) => {
    if (ropeTable) native.rope(target.handle, positions.handle, ropeTable.handle, heads, kvHeads, inverse);
  };
  rotate(qkv, false);
  const [outHandle, lseHandle] = native.attentionForward(qkv.handle, cuSeqlens.handle, heads, kvHeads, scale);
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
        heads,
        kvHeads,
        scale,
      }),
    );
    rotate(dqkv, true);
    return [dqkv];
  });
  return out;
}
