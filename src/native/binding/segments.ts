import type { NativeTensor } from '../binding.ts';

export interface SegmentsBinding {
  /** x f32 `[n]`, starts i32 `[segments + 1]` -> f32 `[segments]`. */
  segmentSum(x: NativeTensor, starts: NativeTensor): NativeTensor;
  /** values f32 `[segments]` -> f32 `[n]`: each element gets the value of its segment. */
  segmentBroadcast(values: NativeTensor, starts: NativeTensor): NativeTensor;
}
