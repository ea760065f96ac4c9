import type { NativeTensor } from '../binding.ts';

export interface NormBinding {
  /** -> [y, sum = x + delta, mean, rstd]. Without delta, sum is x's own storage. */
  layerNormForward(
    x: NativeTensor,
    delta: NativeTensor | undefined,
    weight: NativeTensor,
    bias: NativeTensor | undefined,
    eps: number,
  ): [NativeTensor, NativeTensor, NativeTensor, NativeTensor];
  /** -> dx, with dsum added; dweight and dbias are added to. */
  layerNormBackward(
    dy: NativeTensor,
    dsum: NativeTensor | undefined,
    sum: NativeTensor,
    weight: NativeTensor,
    mean: NativeTensor,
    rstd: NativeTensor,
    dweight: NativeTensor,
    dbias: NativeTensor | undefined,
  ): NativeTensor;
  /** -> [y, sum, rstd]. */
  rmsNormForward(
    x: NativeTensor,
    delta: NativeTensor | undefined,
    weight: NativeTensor,
    eps: number,
  ): [NativeTensor, NativeTensor, NativeTensor];
  /** -> dx, with dsum added; dweight is added to. */
  rmsNormBackward(
    dy: NativeTensor,
    dsum: NativeTensor | undefined,
    sum: NativeTensor,
    weight: NativeTensor,
    rstd: NativeTensor,
    dweight: NativeTensor,
  ): NativeTensor;
}
