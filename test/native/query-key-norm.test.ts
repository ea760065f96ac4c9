/**
 * RMS norm of query and key heads, compared with double precision. test/nn tests whole
 * models with it.
 */
import { describe, expect, it } from 'vitest';
import { native } from '../../src/native/addon.ts';
import {
  expectAccurate,
  expectError,
  expectSameBits,
  expectSameForThreads,
  type FloatType,
  finiteDifferences,
  floatTypes,
  forEachIsa,
  quantize,
  type Round,
  randomNormal,
  tensor,
  values,
} from '../helpers/reference.ts';

const eps = 1e-6;
const [heads, kvHeads] = [4, 2];
const headDims = [2, 6, 8, 17, 64];

function makeCase(dtype: FloatType, rows: number, headDim: number) {
  const width = (heads + 2 * kvHeads) * headDim;
  return {
    rows,
    headDim,
    width,
    x: quantize(dtype, randomNormal(rows * width, headDim, 2, 0.5)),
    queryGain: randomNormal(headDim, 3, 0.3, 1),
    keyGain: randomNormal(headDim, 4, 0.3, 1),
  };
}
type Case = ReturnType<typeof makeCase>;

/** By the definition; values are copied. */
function reference(c: Case, x: ArrayLike<number>, op: Round, store: Round): Float64Array {
  const y = Float64Array.from(x);
  for (let at = 0; at < x.length; at += c.headDim) {
    const head = (at / c.headDim) % (heads + 2 * kvHeads);
    if (head >= heads + kvHeads) continue;
    const gain = head < heads ? c.queryGain : c.keyGain;
    let squares = 0;
    for (let i = 0; i < c.headDim; i++) squares = op(squares + op(x[at + i]! ** 2));
    const rstd = op(1 / op(Math.sqrt(op(op(squares / c.headDim) + eps))));
    for (let i = 0; i < c.headDim; i++) y[at + i] = store(op(op(x[at + i]! * rstd) * gain[i]!));
  }
  return y;
}

function forward(c: Case, dtype: FloatType, x: ArrayLike<number> = c.x) {
  const gains = [tensor([c.headDim], c.queryGain), tensor([c.headDim], c.keyGain)] as const;
  const qkv = tensor([c.rows, c.width], x, dtype);
  return {
    gains,
    results: native.queryKeyNormForward({ qkv, queryGain: gains[0], keyGain: gains[1], heads, kvHeads, eps }),
  };
}

function backward(c: Case, dtype: FloatType, dy: ArrayLike<number>) {
  const { gains, results } = forward(c, dtype);
  const [, queries, keys, queryRstd, keyRstd] = results;
  const sums = [tensor([c.headDim], c.queryGain), tensor([c.headDim], c.keyGain)] as const;
  const gradient = tensor([c.rows, c.width], dy, dtype);
  const dqkv = native.queryKeyNormBackward({
    ...{ dy: gradient, queries, keys, queryRstd, keyRstd },
    ...{ queryGain: gains[0], keyGain: gains[1], dqueryGain: sums[0], dkeyGain: sums[1] },
  });
  return { dqkv, sums };
}

describe('query and key norm', () => {
  it('agrees with double precision and leaves the values, on every instruction set', () => {
    forEachIsa(native, (isa) => {
      for (const dtype of floatTypes) {
        for (const headDim of headDims) {
          const c = makeCase(dtype, 3, headDim);
          const [y] = forward(c, dtype).results;
          expectAccurate(y, dtype, (op, store) => reference(c, c.x, op, store), `${isa} ${headDim}`);
          const start = (heads + kvHeads) * headDim;
          for (let row = 0; row < c.rows; row++) {
            const [begin, end] = [row * c.width + start, (row + 1) * c.width];
            expect([...values(y)].slice(begin, end)).toEqual([...c.x].slice(begin, end));
          }
        }
      }
    });
  });

  it('has the gradient of finite differences, and adds to the sums of the gains', () => {
    const c = makeCase('f32', 2, 6);
    const dy = randomNormal(c.x.length, 9);
    const loss = (y: Float64Array) => y.reduce((sum, v, i) => sum + v * dy[i]!, 0);
    const same: Round = (v) => v;
    const { dqkv, sums } = backward(c, 'f32', dy);
    const wanted = finiteDifferences((x) => loss(reference(c, x, same, same)), c.x);
    values(dqkv).forEach((v, i) => {
      expect(v).toBeCloseTo(wanted[i]!, 4);
    });
    const gains = ['queryGain', 'keyGain'] as const;
    gains.forEach((name, which) => {
      const change = (gain: Float64Array) =>
        loss(reference({ ...c, [name]: Float32Array.from(gain) }, c.x, same, same));
      const slope = finiteDifferences(change, c[name], 1e-3);
      values(sums[which]!).forEach((v, i) => {
        expect(v).toBeCloseTo(c[name][i]! + slope[i]!, 3);
      });
    });
  });

  it('has the same bits on any number of threads, and for rows alone', () => {
    const c = makeCase('bf16', 150, 16);
    const dy = randomNormal(c.x.length, 9);
    expectSameForThreads(native, () => {
      const { dqkv, sums } = backward(c, 'bf16', dy);
      return [forward(c, 'bf16').results[0], dqkv, ...sums];
    });
    const whole = forward(c, 'bf16').results[0];
    const one = forward({ ...c, rows: 1 }, 'bf16', c.x.subarray(7 * c.width, 8 * c.width)).results[0];
    expectSameBits(one, native.slice(whole, 7, 8));
  });

  it('takes no rows, and refuses shapes that do not fit', () => {
    const c = makeCase('f32', 0, 8);
    expect(native.shapeOf(forward(c, 'f32').results[0])).toEqual([0, c.width]);
    const two = makeCase('f32', 2, 8);
    expectError('ERR_SHAPE', /expected qkv to be \[2, 64\]/, () =>
      forward({ ...two, width: 63 }, 'f32', two.x.subarray(0, 126)),
    );
    const { gains, results } = forward(two, 'f32');
    const [y, queries, keys, queryRstd, keyRstd] = results;
    const [queryGain, keyGain] = gains;
    expectError('ERR_SHAPE', /expected dy to hold queries/, () =>
      native.queryKeyNormBackward({
        ...{ dy: native.slice(y, 0, 1), queries, keys, queryRstd, keyRstd },
        ...{ queryGain, keyGain, dqueryGain: queryGain, dkeyGain: keyGain },
      }),
    );
  });
});
