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
  /** [y `[n, out]`, the value before the activation where asked for] */
  linearForward(inputs: LinearForwardInputs): [NativeTensor, NativeTensor | undefined];
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
