import { describe, expect, it } from 'vitest';
import { native } from '../../src/native/addon.ts';
import {
  expectAccurate,
  expectClose,
  expectSameForThreads,
  finiteDifferences,
  floatTypes,
  forEachIsa,
  misalignedTensor,
  oddSizes,
  quantize,
  type Round,
  randomNormal,
  tensor,
  values,
} from '../helpers/reference.ts';

const exactly: Round = (x) => x;

describe('softmax', () => {
  const softmax = (x: ArrayLike<number>, channels: number, op: Round, store: Round): Float64Array => {
    const y = new Float64Array(x.length);
    for (let at = 0; at < x.length; at += channels) {
      const row = Array.from({ length: channels }, (_, i) => x[at + i]!);
      const top = Math.max(...row);
      const e = row.map((v) => op(Math.exp(op(v - top))));
      const total = e.reduce((sum, v) => op(sum + v), 0);
      for (const [i, v] of e.entries()) y[at + i] = store(op(v / total));
    }
    return y;
  };

  it('agrees with double precision on every instruction set', () => {
    forEachIsa(native, (isa) => {
      for (const dtype of floatTypes) {
        for (const channels of oddSizes) {
          const x = quantize(dtype, randomNormal(3 * channels, channels, 3, 50));
          const y = native.softmaxForward(misalignedTensor([3, channels], x, dtype));
          expectAccurate(y, dtype, (op, store) => softmax(x, channels, op, store), `${isa} ${channels}`);
        }
      }
    });
  });

  it('has a backward pass that finite differences confirm', () => {
    forEachIsa(native, (isa) => {
      for (const channels of [1, 4, 17, 40]) {
        const x = randomNormal(2 * channels, channels + 5);
        const dy = randomNormal(2 * channels, channels + 6);
        const y = native.softmaxForward(tensor([2, channels], x));
        const dx = native.softmaxBackward(tensor([2, channels], dy), y);
        const slopes = finiteDifferences(
          (p) => softmax(p, channels, exactly, exactly).reduce((total, v, i) => total + v * dy[i]!, 0),
          x,
        );
        expectClose(dx, slopes, 1e-5, 1e-6, isa);
      }
    });
  });

  it('gives 0 to -inf and keeps NaN', () => {
    const y = native.softmaxForward(tensor([2, 2], [Number.NEGATIVE_INFINITY, 3, Number.NaN, 0]));
    expect([...values(y)]).toEqual([0, 1, Number.NaN, Number.NaN]);
  });

  it('has the same bits for 1, 2 and 3 threads', () => {
    const x = tensor([90, 130], randomNormal(90 * 130, 3), 'bf16');
    expectSameForThreads(native, () => {
      const y = native.softmaxForward(x);
      return [y, native.softmaxBackward(x, y)];
    });
  });
});
