/** Matrix products against double precision, on sizes that no block, panel or vector divides. */
import { describe, expect, it } from 'vitest';
import { native } from '../../src/native/addon.ts';
import type { NativeTensor } from '../../src/native/binding.ts';
import { longShapes, product, shapes } from '../helpers/product.ts';
import {
  expectAccurate,
  expectSameBits,
  type FloatType,
  floatTypes,
  forEachIsa,
  misalignedTensor,
  quantize,
  randomNormal,
  tensor,
  values,
} from '../helpers/reference.ts';

describe('gemm', () => {
  for (const dtype of floatTypes) {
    it(`multiplies in every orientation on every instruction set (${dtype})`, () => {
      forEachIsa(native, (isa) => {
        for (const shape of [...shapes, ...longShapes]) {
          const [m, n, k] = shape;
          const a = quantize(dtype, randomNormal(m * k, 1));
          const b = quantize(dtype, randomNormal(k * n, 2));
          for (const aTransposed of [false, true]) {
            for (const bTransposed of [false, true]) {
              for (const out of floatTypes) {
                const result = native.gemm(
                  tensor(aTransposed ? [k, m] : [m, k], a, dtype),
                  tensor(bTransposed ? [n, k] : [k, n], b, dtype),
                  aTransposed,
                  bTransposed,
                  out,
                );
                expect(native.shapeOf(result)).toEqual([m, n]);
                expect(native.dtypeOf(result)).toBe(out);
                expectAccurate(
                  result,
                  out,
                  (op, store) =>
                    product(
                      shape,
                      (i, s) => a[aTransposed ? s * m + i : i * k + s]!,
                      (s, j) => b[bTransposed ? j * k + s : s * n + j]!,
                      op,
                    ).map(store),
                  `${isa} ${dtype} ${shape.join('x')} ${aTransposed ? 'T' : 'N'}${bTransposed ? 'T' : 'N'}`,
                );
              }
            }
          }
        }
      });
    });
  }

  it('reads operands that start anywhere', () => {
    const [m, n, k] = [19, 37, 23];
    const a = randomNormal(m * k, 1);
    const b = randomNormal(k * n, 2);
    for (const dtype of floatTypes) {
      const wanted = native.gemm(tensor([m, k], a, dtype), tensor([k, n], b, dtype), false, false, 'f32');
      for (const offset of [1, 3]) {
        const got = native.gemm(
          misalignedTensor([m, k], a, dtype, offset),
          misalignedTensor([k, n], b, dtype, offset),
          false,
          false,
          'f32',
        );
        expectSameBits(got, wanted);
      }
    }
  });

  it('reads nothing beyond its operands', () => {
    // The elements behind an operand are NaN: one that is read and used shows.
    const [m, n, k] = [15, 33, 7];
    const guarded = (rows: number, columns: number, seed: number, dtype: FloatType): NativeTensor => {
      const count = rows * columns;
      const data = new Float32Array(count + 64).fill(Number.NaN);
      data.set(randomNormal(count, seed));
      const whole = tensor([count + 64], data, dtype);
      return native.view(native.slice(whole, 0, count), [rows, columns]);
    };
    for (const dtype of floatTypes) {
      for (const [ta, tb] of [
        [false, false],
        [true, true],
      ] as const) {
        const a = ta ? guarded(k, m, 1, dtype) : guarded(m, k, 1, dtype);
        const b = tb ? guarded(n, k, 2, dtype) : guarded(k, n, 2, dtype);
        for (const value of values(native.gemm(a, b, ta, tb, 'f32'))) expect(value).not.toBeNaN();
      }
    }
  });

  it('gives the same bits for any number of threads, also where a chain is cut', () => {
    // Rows enough for three threads to share them out, each with a packed copy of b.
    const [m, n, k] = [200, 35, 4100];
    const threads = native.numThreads();
    const [numbersA, numbersB] = [randomNormal(m * k, 1), randomNormal(k * n, 2)];
    for (const dtype of floatTypes) {
      const [a, b] = [tensor([m, k], numbersA, dtype), tensor([n, k], numbersB, dtype)];
      native.setNumThreads(1);
      const wanted = native.gemm(a, b, false, true, dtype);
      for (const count of [2, 3]) {
        native.setNumThreads(count);
        expectSameBits(native.gemm(a, b, false, true, dtype), wanted, `${dtype}, ${count} threads`);
      }
      const few = native.gemm(native.slice(a, 0, 5), b, false, true, dtype);
      expectSameBits(few, native.slice(wanted, 0, 5), `${dtype}, five rows alone`);
    }
    native.setNumThreads(threads);
  });

  it('sums nothing to zero', () => {
    const result = native.gemm(tensor([2, 0], []), tensor([0, 3], []), false, false, 'f32');
    expect([...values(result)]).toEqual(new Array(6).fill(0));
    const none = native.gemm(tensor([0, 2], []), tensor([2, 3], new Array(6).fill(1)), false, false, 'f32');
    expect(native.shapeOf(none)).toEqual([0, 3]);
  });

  it('lets infinities and NaN through to their own row and column only', () => {
    const a = new Float32Array(20 * 9).fill(1);
    a[4 * 9 + 2] = Number.NaN;
    a[7 * 9] = Number.POSITIVE_INFINITY;
    const result = values(
      native.gemm(tensor([20, 9], a), tensor([9, 40], new Float32Array(360).fill(1)), false, false, 'f32'),
    );
    for (let i = 0; i < 20; i++) {
      for (let j = 0; j < 40; j++) {
        const wanted = i === 4 ? Number.NaN : i === 7 ? Number.POSITIVE_INFINITY : 9;
        expect(result[i * 40 + j]).toBe(wanted);
      }
    }
  });
});
