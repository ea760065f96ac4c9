import type { DType, NativeTensor } from '../binding.ts';

export interface LinearBinding {
  /** activation: 0 none, 1 GELU. Returns y `[n, out]` and, when asked for, the value before the activation. */
  linearForward(
    x: NativeTensor,
    weight: NativeTensor,
    bias: NativeTensor | undefined,
    activation: number,
    savePreactivation: boolean,
  ): [NativeTensor, NativeTensor | undefined];
  linearBackwardInput(
    dy: NativeTensor,
    weight: NativeTensor,
    preactivation: NativeTensor | undefined,
  ): NativeTensor;
  /** Adds into dweight, or overwrites it, and adds into dbias. */
  linearBackwardWeight(
    dy: NativeTensor,
    x: NativeTensor,
    dweight: NativeTensor,
    dbias: NativeTensor | undefined,
    overwrite?: boolean,
  ): void;
  gemm(
    a: NativeTensor,
    b: NativeTensor,
    aTransposed: boolean,
    bTransposed: boolean,
    outDtype: DType,
  ): NativeTensor;
}
