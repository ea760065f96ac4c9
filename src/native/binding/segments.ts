import type { NativeTensor } from '../binding.ts';

export interface SegmentsBinding {
  segmentSum(x: NativeTensor, starts: NativeTensor): NativeTensor;
  segmentBroadcast(values: NativeTensor, starts: NativeTensor): NativeTensor;
}
