import { describe, expect, it } from 'vitest';
import { native } from '../../src/native/addon.ts';
import type { NativeTensor } from '../../src/native/binding.ts';
import {
  expectAccurate,
  expectClose,
  expectError,
  expectSameBits,
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

const eps = 1e-5;

interface Case {
  rows: number;
  channels: number;
  x: Float32Array;
  delta: Float32Array;
  weight: Float32Array;
  bias: Float32Array;
}

function makeCase(dtype: 'f32' | 'bf16', rows: number, channels: number): Case {
  const count = rows * channels;
  return {
    rows,
    channels,
    x: quantize(dtype, randomNormal(count, 1 + channels, 2, 0.5)),
    delta: quantize(dtype, randomNormal(count, 2 + channels)),
    weight: randomNormal(channels, 3, 0.3, 1),
    bias: randomNormal(channels, 4, 0.5),
  };
}

/** y of [rows, channels] from sum, in the steps a naive kernel takes. */
function normalise(centred: boolean, c: Case, sum: ArrayLike<number>, op: Round, store: Round): Float64Array {
  const y = new Float64Array(c.rows * c.channels);
  for (let row = 0; row < c.rows; row++) {
    const at = row * c.channels;
    let mean = 0;
    if (centred) {
      for (let i = 0; i < c.channels; i++) mean = op(mean + sum[at + i]!);
      mean = op(mean / c.channels);
    }
    let variance = 0;
    for (let i = 0; i < c.channels; i++) variance = op(variance + op(op(sum[at + i]! - mean) ** 2));
    const rstd = op(1 / op(Math.sqrt(op(op(variance / c.channels) + eps))));
    for (let i = 0; i < c.channels; i++) {
      const scaled = op(op(op(sum[at + i]! - mean) * rstd) * c.weight[i]!);
      y[at + i] = store(op(scaled + (centred ? c.bias[i]! : 0)));
    }
  }
  return y;
}

interface Forward {
  y: NativeTensor;
  sum: NativeTensor;
  mean: NativeTensor | undefined;
  rstd: NativeTensor;
}

function forward(
  centred: boolean,
  x: NativeTensor,
  delta: NativeTensor | undefined,
  weight: NativeTensor,
  bias: NativeTensor,
): Forward {
  if (!centred) {
    const [y, sum, rstd] = native.rmsNormForward(x, delta, weight, eps);
    return { y, sum, mean: undefined, rstd };
  }
  const [y, sum, mean, rstd] = native.layerNormForward(x, delta, weight, bias, eps);
  return { y, sum, mean, rstd };
}

function backward(
  dy: NativeTensor,
  dsum: NativeTensor | undefined,
  f: Forward,
  weight: NativeTensor,
  dweight: NativeTensor,
  dbias: NativeTensor,
): NativeTensor {
  return f.mean
    ? native.layerNormBackward({ dy, dsum, sum: f.sum, weight, mean: f.mean, rstd: f.rstd, dweight, dbias })
    : native.rmsNormBackward({ dy, dsum, sum: f.sum, weight, rstd: f.rstd, dweight });
}

for (const [name, centred] of [
  ['layer norm', true],
  ['RMS norm', false],
] as const) {
  describe(name, () => {
    it('agrees with double precision on odd sizes, misaligned, on every instruction set', () => {
      forEachIsa(native, (isa) => {
        for (const dtype of floatTypes) {
          for (const channels of oddSizes) {
            const c = makeCase(dtype, 3, channels);
            const shape = [c.rows, channels];
            const f = forward(
              centred,
              misalignedTensor(shape, c.x, dtype, 1),
              misalignedTensor(shape, c.delta, dtype, 3),
              misalignedTensor([channels], c.weight),
              misalignedTensor([channels], c.bias),
            );
            const sum = quantize(
              dtype,
              c.x.map((v, i) => v + c.delta[i]!),
            );
            expectSameBits(
              Float64Array.from(values(f.sum)),
              Float64Array.from(sum),
              `${isa} ${channels} sum`,
            );
            expectAccurate(
              f.y,
              dtype,
              (op, store) => normalise(centred, c, sum, op, store),
              `${isa} ${channels}`,
            );
          }
        }
      });
    });

    it('gives x itself as the sum without a delta, and the same bits as from that sum', () => {
      const c = makeCase('bf16', 5, 77);
      const [x, delta] = [tensor([5, 77], c.x, 'bf16'), tensor([5, 77], c.delta, 'bf16')];
      const [weight, bias] = [tensor([77], c.weight), tensor([77], c.bias)];
      const fused = forward(centred, x, delta, weight, bias);
      const apart = forward(centred, fused.sum, undefined, weight, bias);
      expectSameBits(apart.y, fused.y);
      expectSameBits(apart.sum, fused.sum);
    });

    it('computes a row by itself: the same bits alone and among others', () => {
      forEachIsa(native, (isa) => {
        const c = makeCase('f32', 9, 131);
        const [x, weight, bias] = [tensor([9, 131], c.x), tensor([131], c.weight), tensor([131], c.bias)];
        const all = native.read(forward(centred, x, undefined, weight, bias).y);
        for (let row = 0; row < 9; row++) {
          const alone = forward(centred, native.slice(x, row, row + 1), undefined, weight, bias);
          expectSameBits(alone.y, all.subarray(row * 131, (row + 1) * 131), `${isa} row ${row}`);
        }
      });
    });

    it('has a backward pass that finite differences confirm', () => {
      forEachIsa(native, (isa) => {
        for (const channels of [2, 5, 16, 33]) {
          const c = makeCase('f32', 4, channels);
          const shape = [c.rows, channels];
          const dy = randomNormal(c.x.length, 11);
          const dsum = randomNormal(c.x.length, 12);
          const [x, weight, bias] = [
            tensor(shape, c.x),
            tensor([channels], c.weight),
            tensor([channels], c.bias),
          ];
          const dweight = native.full([channels], 'f32', 0.25);
          const dbias = native.full([channels], 'f32', 0.5);
          const f = forward(centred, x, undefined, weight, bias);
          const dx = backward(tensor(shape, dy), tensor(shape, dsum), f, weight, dweight, dbias);
          const exactly: Round = (v) => v;
          const loss = (k: Case, sum: ArrayLike<number>): number =>
            normalise(centred, k, sum, exactly, exactly).reduce((total, y, i) => total + y * dy[i]!, 0);
          const through = finiteDifferences((p) => loss(c, p), c.x);
          expectClose(
            dx,
            through.map((d, i) => d + dsum[i]!),
            1e-4,
            1e-4,
            `${isa} dx`,
          );
          const byWeight = finiteDifferences(
            (p) => loss({ ...c, weight: Float32Array.from(p) }, c.x),
            c.weight,
            2 ** -6,
          );
          expectClose(
            dweight,
            byWeight.map((d) => d + 0.25),
            1e-4,
            1e-4,
            `${isa} dweight`,
          );
          if (!centred) continue;
          const byBias = finiteDifferences(
            (p) => loss({ ...c, bias: Float32Array.from(p) }, c.x),
            c.bias,
            2 ** -6,
          );
          expectClose(
            dbias,
            byBias.map((d) => d + 0.5),
            1e-4,
            1e-4,
            `${isa} dbias`,
          );
        }
      });
    });

    it('sums weight gradients over many rows accurately, in bf16 too', () => {
      for (const dtype of floatTypes) {
        const [rows, channels] = [2100, 37];
        const c = makeCase(dtype, rows, channels);
        const dy = quantize(dtype, randomNormal(rows * channels, 21));
        const weight = tensor([channels], c.weight);
        const f = forward(
          centred,
          tensor([rows, channels], c.x, dtype),
          undefined,
          weight,
          tensor([channels], c.bias),
        );
        const dweight = native.full([channels], 'f32', 0);
        const dbias = native.full([channels], 'f32', 0);
        backward(tensor([rows, channels], dy, dtype), undefined, f, weight, dweight, dbias);
        const unit = { ...c, weight: new Float32Array(channels).fill(1), bias: new Float32Array(channels) };
        const normal = normalise(
          centred,
          unit,
          c.x,
          (v) => v,
          (v) => v,
        );
        const columns = (term: (i: number) => number) => (op: Round) => {
          const total = new Float64Array(channels);
          for (let i = 0; i < rows * channels; i++)
            total[i % channels] = op(total[i % channels]! + op(term(i)));
          return total;
        };
        expectAccurate(
          dweight,
          'f32',
          columns((i) => dy[i]! * normal[i]!),
          `${dtype} dweight`,
        );
        if (centred)
          expectAccurate(
            dbias,
            'f32',
            columns((i) => dy[i]!),
            `${dtype} dbias`,
          );
      }
    });

    it('has the same bits for 1, 2 and 3 threads', () => {
      const [rows, channels] = [301, 130];
      const c = makeCase('bf16', rows, channels);
      const [x, dy] = [tensor([rows, channels], c.x, 'bf16'), tensor([rows, channels], c.delta, 'bf16')];
      const [weight, bias] = [tensor([channels], c.weight), tensor([channels], c.bias)];
      expectSameForThreads(native, () => {
        const f = forward(centred, x, dy, weight, bias);
        const dweight = native.full([channels], 'f32', 1);
        const dbias = native.full([channels], 'f32', 1);
        return [f.y, f.rstd, backward(dy, x, f, weight, dweight, dbias), dweight, dbias];
      });
    });
  });
}

describe('norm arguments', () => {
  it('takes no rows', () => {
    const [y] = native.rmsNormForward(
      native.empty([0, 8], 'f32'),
      undefined,
      native.full([8], 'f32', 1),
      eps,
    );
    expect(native.shapeOf(y)).toEqual([0, 8]);
  });

  it('keeps NaN visible', () => {
    const [y] = native.rmsNormForward(
      tensor([1, 2], [Number.NaN, 1]),
      undefined,
      native.full([2], 'f32', 1),
      eps,
    );
    expect([...values(y)]).toEqual([Number.NaN, Number.NaN]);
  });

  it('names what does not fit', () => {
    const x = native.full([4, 8], 'f32', 1);
    const weight = native.full([8], 'f32', 1);
    expectError('ERR_SHAPE', /layerNormForward.*weight.*\[8\].*\[4\]/, () =>
      native.layerNormForward(x, undefined, native.full([4], 'f32', 1), undefined, eps),
    );
    expectError('ERR_DTYPE', /rmsNormForward.*one dtype/, () =>
      native.rmsNormForward(x, native.full([4, 8], 'bf16', 1), weight, eps),
    );
    expectError('ERR_ARGUMENT', /eps/, () => native.rmsNormForward(x, undefined, weight, -1));
    expectError('ERR_SHAPE', /rstd.*\[4\]/, () =>
      native.rmsNormBackward({
        dy: x,
        sum: x,
        weight,
        rstd: native.full([3], 'f32', 1),
        dweight: native.full([8], 'f32', 0),
      }),
    );
  });
});
