import { native } from '../../native/addon.ts';
import { record } from '../autograd.ts';
import { Tensor } from '../tensor.ts';

/**
 * The sum of each segment of x; 0 for an empty one.
 * @param x f32 `[n]`
 * @param starts i32 `[segments + 1]`: where each segment begins, from 0 to n
 * @returns f32 `[segments]`
 */
export function segmentSum(x: Tensor, starts: Tensor): Tensor {
  const out = new Tensor(native.segmentSum(x.handle, starts.handle));
  record('segmentSum', [x], [out], ([dout]) => [
    new Tensor(native.segmentBroadcast(dout!.handle, starts.handle)),
  ]);
  return out;
}

/**
 * Each segment's value at all of its elements.
 * @param values f32 `[segments]`
 * @param starts i32 `[segments + 1]`: where each segment begins, from 0 to n
 * @returns f32 `[n]`
 */
export function segmentBroadcast(values: Tensor, starts: Tensor): Tensor {
  const out = new Tensor(native.segmentBroadcast(values.handle, starts.handle));
  record('segmentBroadcast', [values], [out], ([dout]) => [
    new Tensor(native.segmentSum(dout!.handle, starts.handle)),
  ]);
  return out;
}
