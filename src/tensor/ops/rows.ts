import { native } from '../../native/addon.ts';
import { record } from '../autograd.ts';
import { type Shape, Tensor } from '../tensor.ts';

/**
 * The listed rows of x: x `[n, d]`, rows i32 `[m]` -> `[m, d]`. Throws ERR_ARGUMENT for a row
 * outside of x.
 */
export function gatherRows(x: Tensor, rows: Tensor): Tensor {
  const out = new Tensor(native.gatherRows(x.handle, rows.handle));
  record('gatherRows', [x], [out], ([dout]) => {
    const dx = new Tensor(native.full(x.shape, x.dtype, 0));
    native.scatterRowsAdd(dx.handle, dout!.handle, rows.handle);
    return [dx];
  });
  return out;
}

/** The same elements in another shape of the same size. The result shares the memory of x. */
export function reshape(x: Tensor, shape: Shape): Tensor {
  const out = new Tensor(native.view(x.handle, shape), [...shape], x.dtype);
  record('reshape', [x], [out], ([dout]) => [
    new Tensor(native.view(dout!.handle, x.shape), x.shape, dout!.dtype),
  ]);
  return out;
}
