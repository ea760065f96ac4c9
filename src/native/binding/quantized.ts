import type { DType, NativeTensor } from '../binding.ts';
import type { Activation } from './linear.ts';

export interface QuantizedLinearInputs {
  /** `[n, in]` f32 or bf16 */
  x: NativeTensor;
  /** From quantizeWeight. */
  weight: NativeTensor;
  /** Output channels of the weight. */
  outputs: number;
  /** f32 `[outputs]` */
  bias?: NativeTensor | undefined;
  activation: Activation;
  /** `[n, outputs]` of the result's dtype, added before the activation. */
  addend?: NativeTensor | undefined;
  /** Dtype of the result, f32 or bf16. */
  dtype: DType;
}

export interface QuantizedBinding {
  /**
   * A weight `[out, in]` in int8 with a scale per output channel, as u8 in the layout of
   * native/kernels/quantized.h. Only on the CPU.
   */
  quantizeWeight(weight: NativeTensor): NativeTensor;
  /** activation(x W^T + bias + addend), `[n, outputs]`. */
  quantizedLinear(inputs: QuantizedLinearInputs): NativeTensor;
}
