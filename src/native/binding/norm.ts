import type { NativeTensor } from '../binding.ts';

export interface LayerNormBackwardInputs {
  dy: NativeTensor;
  /** The gradient that arrives through the residual; added to dx. */
  dsum?: NativeTensor | undefined;
  sum: NativeTensor;
  weight: NativeTensor;
  mean: NativeTensor;
  rstd: NativeTensor;
  /** The gradients of weight and bias are added to dweight and dbias. */
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
  weightOffset?: number | undefined;
}

export interface NormBinding {
  /** [y, sum = x + delta, mean, rstd]. Without delta, sum shares the storage of x. */
  layerNormForward(
    x: NativeTensor,
    delta: NativeTensor | undefined,
    weight: NativeTensor,
    bias: NativeTensor | undefined,
    eps: number,
  ): [NativeTensor, NativeTensor, NativeTensor, NativeTensor];
  /** Returns dx. */
  layerNormBackward(inputs: LayerNormBackwardInputs): NativeTensor;
  /**
   * [y, sum = x + delta, rstd]. Without delta, sum shares the storage of x. The gain is weight +
   * weightOffset, by default 0.
   */
  rmsNormForward(
    x: NativeTensor,
    delta: NativeTensor | undefined,
    weight: NativeTensor,
    eps: number,
    weightOffset?: number | undefined,
  ): [NativeTensor, NativeTensor, NativeTensor];
  /** Returns dx. */
  rmsNormBackward(inputs: RmsNormBackwardInputs): NativeTensor;
}
