/** Causal self-attention over packed sequences. */
import { native } from '../../native/addon.ts';
import { record } from '../autograd.ts';
import { Tensor } from '../tensor.ts';

export interface AttentionShape {
  heads: number;
  kvHeads: number;
  headDim: number;
}

/** Where the rows of a batch belong. */
export interface SequenceIndex {
  /** i32 `[n]`: each token's place in its sequence, from 0. */
  positions: Tensor;
  /** i32 `[sequences + 1]`: where each sequence begins; starts at 0, ends at n. */
  cuSeqlens: Tensor;
}

/**
 * @param qkv `[n, (heads + 2 kvHeads) headDim]`, consumed: rotated in place when a rope table is given
 * @param ropeTable f32 `[maxPositions, headDim]` (Su et al., 2021)
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
