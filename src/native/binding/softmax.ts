import type { NativeTensor } from '../binding.ts';

export interface SoftmaxBinding {
  /** Softmax of `[.., channels]` over the last dimension. */
  softmaxForward(x: NativeTensor): NativeTensor;
  softmaxBackward(dy: NativeTensor, y: NativeTensor): NativeTensor;
}
