import type { DType, NativeTensor } from '../binding.ts';

/** How a matrix that does not train is kept; native/kernels/frozen.h describes both. */
export type FrozenFormat = 'int8' | 'nf4';

export interface FrozenMatrix {
  /** u8 `[bytes]`, from quantizeFrozen as the scales. */
  codes: NativeTensor;
  /** f32 `[groups]` */
  scales: NativeTensor;
  format: FrozenFormat;
  outputs: number;
  inputs: number;
}

export interface FrozenBinding {
  /** [codes u8 `[bytes]`, scales f32 `[groups]`] of a weight `[outputs, inputs]`, f32 or bf16. */
  quantizeFrozen(weight: NativeTensor, format: FrozenFormat): [NativeTensor, NativeTensor];
  /** `[outputs, inputs]` of the dtype, f32 or bf16. */
  dequantizeFrozen(weight: FrozenMatrix, dtype: DType): NativeTensor;
}
