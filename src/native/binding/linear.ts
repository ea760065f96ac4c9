import type { DType, NativeTensor } from '../binding.ts';

export interface LinearBinding {
  /**
   * activation: 0 none, 1 GELU; addend `[n, out]` of x's dtype is added before it. Returns y `[n, out]` and, when asked
   * for, the value before the activation.
   */
  linearForward(
    x: NativeTensor,
    weight: NativeTensor,
    bias: NativeTensor | undefined,
    activation: number,
    savePreactivation: boolean,
    addend?: NativeTensor,
  ): [NativeTensor, NativeTensor | undefined];
  /** addend `[n, in]` of dy's dtype is added before GELU' of the preactivation is multiplied. */
  linearBackwardInput(
    dy: NativeTensor,
    weight: NativeTensor,
    preactivation: NativeTensor | undefined,
    addend?: NativeTensor,
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
