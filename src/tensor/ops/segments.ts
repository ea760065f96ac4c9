import { native } from '../../native/addon.ts';
import { record } from '../autograd.ts';
import { Tensor } from '../tensor.ts';

/** The sum of each segment, 0 of an empty one: x f32 `[n]`, starts i32 `[segments + 1]` from 0 to n -> f32 `[segments]`. */
export function segmentSum(x: Tensor, starts: Tensor): Tensor {
  const out = new Tensor(native.segmentSum(x.handle, starts.handle));
  record('segmentSum', [x], [out], ([dout]) => [
    new Tensor(native.segmentBroadcast(dout!.handle, starts.handle)),
  ]);
  return out;
}
