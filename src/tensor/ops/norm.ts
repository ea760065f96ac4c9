/**
 * Normalisation fused with the residual stream. Each operation first adds a branch to the stream
 * and returns both the normalised rows and the new stream.
 */
import { native } from '../../native/addon.ts';
import { type Accumulate, record } from '../autograd.ts';
import { Tensor, zeros } from '../tensor.ts';

/** The outputs of a norm. Both carry gradients. */
export interface NormResult {
  /** `[n, d]`: the normalised rows times the gain, plus the bias if there is one. */
  y: Tensor;
  /** `[n, d]`: x + delta, the residual stream for the next layer. */
  sum: Tensor;
}

/**
 * Layer norm of x + delta over the last dimension (Ba et al., 2016).
 * @param x `[n, d]` f32 or bf16: the residual stream
 * @param delta `[n, d]`: the branch to add to the stream first
 * @param weight f32 `[d]`: the gain
 * @param bias f32 `[d]`
 * @param eps added to the variance
 */
export function layerNorm(
  x: Tensor,
  delta: Tensor | undefined,
  weight: Tensor,
  bias?: Tensor,
  eps = 1e-5,
): NormResult {
  const [yHandle, sumHandle, mean, rstd] = native
    .layerNormForward(x.handle, delta?.handle, weight.handle, bias?.handle, eps)
    .map((handle) => new Tensor(handle)) as [Tensor, Tensor, Tensor, Tensor];
  const result = { y: yHandle, sum: sumHandle };
  record('layerNorm', [x, delta, weight, bias], [result.y, result.sum], ([dy, dsum], accumulate) => {
    if (!dy) return [dsum, delta && dsum];
    const dx = new Tensor(
      native.layerNormBackward({
        dy: dy.handle,
        dsum: dsum?.handle,
        sum: result.sum.handle,
        weight: weight.handle,
        mean: mean.handle,
        rstd: rstd.handle,
        dweight: weightSum(weight, accumulate).handle,
        dbias: accumulate(bias)?.handle,
      }),
    );
    return [dx, delta && dx];
  });
  return result;
}

/**
 * RMS norm of x + delta over the last dimension (Zhang and Sennrich, 2019).
 * @param x `[n, d]` f32 or bf16: the residual stream
 * @param delta `[n, d]`: the branch to add to the stream first
 * @param weight f32 `[d]`: the gain, without the offset
 * @param eps added to the mean square
 * @param offset added to the weight, by which a row is then multiplied
 */
export function rmsNorm(
  x: Tensor,
  delta: Tensor | undefined,
  weight: Tensor,
  eps = 1e-5,
  offset?: number,
): NormResult {
  const [y, sum, rstd] = native
    .rmsNormForward(x.handle, delta?.handle, weight.handle, eps, offset)
    .map((handle) => new Tensor(handle)) as [Tensor, Tensor, Tensor];
  record('rmsNorm', [x, delta, weight], [y, sum], ([dy, dsum], accumulate) => {
    if (!dy) return [dsum, delta && dsum];
    const dx = new Tensor(
      native.rmsNormBackward({
        dy: dy.handle,
        dsum: dsum?.handle,
        sum: sum.handle,
        weight: weight.handle,
        rstd: rstd.handle,
        dweight: weightSum(weight, accumulate).handle,
        weightOffset: offset,
      }),
    );
    return [dx, delta && dx];
  });
  return { y, sum };
}

/** Memory to which the kernel adds the gradient of the gain. That of a frozen gain is discarded. */
function weightSum(weight: Tensor, accumulate: Accumulate): Tensor {
  return accumulate(weight) ?? zeros(weight.shape);
}
