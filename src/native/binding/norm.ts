import type { NativeTensor } from '../binding.ts';

export interface LayerNormBackwardInputs {
  dy: NativeTensor;
  /** The gradient that arrives through the residual; added to dx. */
  dsum?: NativeTensor | undefined;
  sum: NativeTensor;
  weight: NativeTensor;
  mean: NativeTensor;
  rstd: NativeTensor;
  /** Added to, as dbias. */
  dweight: NativeTensor;
  dbias?: NativeTensor | undefined;
}

export interface RmsNormBackwardInputs {
  dy: NativeTensor;
  dsum?: NativeTensor | undefined;
  sum: NativeTensor;
  weight: NativeTensor;
  rstd: NativeTensor;
  dweight: NativeTensor;
}

export interface NormBinding {
  /** -> [y, sum = x + delta, mean, rstd]. Without delta, sum is x's own storage. */
  layerNormForward(
    x: NativeTensor,
    delta: NativeTensor | undefined,
    weight: NativeTensor,
    bias: NativeTensor | undefined,
    eps: number,
  ): [NativeTensor, NativeTensor, NativeTensor, NativeTensor];
  /** -> dx */
  layerNormBackward(inputs: LayerNormBackwardInputs): NativeTensor;
  /** -> [y, sum, rstd]. */
  rmsNormForward(
    x: NativeTensor,
    delta: NativeTensor | undefined,
    weight: NativeTensor,
    eps: number,
  ): [NativeTensor, NativeTensor, NativeTensor];
  /** -> dx */
  rmsNormBackward(inputs: RmsNormBackwardInputs): NativeTensor;
}
