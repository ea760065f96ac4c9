import type { DType, NativeTensor } from '../binding.ts';

/** How a matrix that does not train is kept; native/kernels/frozen.h describes both. */
export type FrozenFormat = 'int8' | 'nf4';

export interface FrozenMatrix {
  /** u8, from quantizeFrozen. */
  data: NativeTensor;
  format: FrozenFormat;
  outputs: number;
  inputs: number;
}

export interface FrozenBinding {
  /** A weight `[outputs, inputs]`, f32 or bf16, as u8 `[bytes]`: f32 scales, then codes. */
  quantizeFrozen(weight: NativeTensor, format: FrozenFormat): NativeTensor;
  /** `[outputs, inputs]` of the dtype, f32 or bf16. */
  dequantizeFrozen(weight: FrozenMatrix, dtype: DType): NativeTensor;
}
