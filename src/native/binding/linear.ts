import type { DType, NativeTensor } from '../binding.ts';

/** GELU is in its tanh form. */
export type Activation = 'none' | 'gelu';

export interface LinearForwardInputs {
  /** `[n, in]` f32 or bf16 */
  x: NativeTensor;
  /** `[out, in]` f32 or bf16 */
  weight: NativeTensor;
  /** f32 `[out]` */
  bias?: NativeTensor | undefined;
  activation: Activation;
  savePreactivation: boolean;
  /** `[n, out]` of x's dtype, added before the activation. */
  addend?: NativeTensor | undefined;
}

export interface LinearBinding {
  /** [y `[n, out]`, with savePreactivation the value before the activation] */
  linearForward(inputs: LinearForwardInputs): [NativeTensor, NativeTensor | undefined];
  /**
   * dx = (dy W + addend) * GELU'(preactivation), `[n, in]`. The last factor is left out without a
   * preactivation. addend has the dtype of dy.
   */
  linearBackwardInput(
    dy: NativeTensor,
    weight: NativeTensor,
    preactivation: NativeTensor | undefined,
    addend?: NativeTensor,
  ): NativeTensor;
  /** Adds to dweight, or overwrites it, and adds to dbias. */
  linearBackwardWeight(
    dy: NativeTensor,
    x: NativeTensor,
    dweight: NativeTensor,
    dbias: NativeTensor | undefined,
    overwrite?: boolean,
  ): void;
  /** Frees the packed copies of a weight. The next product with it packs again. */
  releasePacked(weight: NativeTensor): void;
  /** The matrix product a b. Each factor may be given transposed. */
  gemm(
    a: NativeTensor,
    b: NativeTensor,
    aTransposed: boolean,
    bTransposed: boolean,
    outDtype: DType,
  ): NativeTensor;
}
