/**
 * NEFTune (Jain et al., "NEFTune: noisy embeddings improve instruction finetuning", 2023): uniform
 * noise on the embeddings in training. Its magnitude is alpha / sqrt(L d), where L is the length of
 * the sequence of the token.
 */

import { AthanorError } from '../base/errors.ts';
import { native } from '../native/addon.ts';
import { empty, scope, type Tensor } from '../tensor/tensor.ts';

/**
 * Channel j of the token at position p of the batch's i-th sequence gets alpha / sqrt(L d) times a
 * number in [-1, 1). The number is a function of (seed, stream, i, p d + j) alone: other sequences,
 * their lengths and the threads do not matter. Give every batch of a run its own stream, such as
 * the count of batches so far.
 */
export interface EmbeddingNoise {
  /** The scale; the paper uses 5, 10 and 15. 0 is no noise. */
  alpha: number;
  seed: number;
  /** A whole number below 2^32. */
  stream: number;
}

const sequencesPerStream = 2 ** 20;

/**
 * Adds the noise to new embeddings `[n, d]` in place. It is a constant, so gradients pass
 * unchanged. Throws ERR_ARGUMENT for an alpha below 0, a stream that is not a whole number below
 * 2^32, or more than 2^20 sequences.
 * @param cuSeqlens i32 `[sequences + 1]`
 */
export function addEmbeddingNoise(x: Tensor, cuSeqlens: Tensor, noise: EmbeddingNoise): void {
  const { alpha, seed, stream } = noise;
  const sequences = cuSeqlens.size - 1;
  const validStream = Number.isInteger(stream) && stream >= 0 && stream < 2 ** 32;
  if (!Number.isFinite(alpha) || alpha < 0 || !validStream || sequences > sequencesPerStream) {
    throw new AthanorError(
      'ERR_ARGUMENT',
      `[embeddingNoise] expected alpha of 0 or more, a stream below 2^32 and at most 2^20 sequences but got ${alpha}, ${stream} and ${sequences}`,
    );
  }
  if (alpha === 0) return;
  scope(() => {
    const width = x.shape[1]!;
    const values = empty(x.shape);
    const starts = cuSeqlens.toInts();
    for (let i = 0; i < sequences; i++) {
      const [begin, end] = [starts[i]!, starts[i + 1]!];
      if (begin === end) continue;
      const magnitude = alpha / Math.sqrt((end - begin) * width);
      const rows = native.slice(values.handle, begin, end);
      native.uniformInto(rows, -magnitude, magnitude, seed, stream * sequencesPerStream + i);
      rows.dispose();
    }
    const added = x.dtype === 'f32' ? values.handle : native.cast(values.handle, x.dtype);
    native.addScaledInto(x.handle, added, 1);
    if (added !== values.handle) added.dispose();
  });
}
