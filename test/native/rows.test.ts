import { describe, expect, it } from 'vitest';
import { native } from '../../src/native/addon.ts';
import {
  expectAccurate,
  expectError,
  expectSameBits,
  expectSameForThreads,
  fewOddSizes,
  floatTypes,
  forEachIsa,
  misalignedTensor,
  oddSizes,
  quantize,
  randomIntegers,
  randomNormal,
  tensor,
  values,
} from '../helpers/reference.ts';

describe('gatherRows and scatterRowsAdd', () => {
  const picks = Int32Array.of(4, 0, 4, 2, 6);

  it('copies rows of any dtype', () => {
    forEachIsa(native, () => {
      for (const dtype of ['f32', 'bf16', 'i32', 'u8'] as const) {
        for (const channels of fewOddSizes) {
          const x = randomIntegers(7 * channels, channels, 200);
          const got = native.gatherRows(misalignedTensor([7, channels], x, dtype), tensor([5], picks, 'i32'));
          const wanted = [...picks].flatMap((row) => [...x.subarray(row * channels, (row + 1) * channels)]);
          expect([...values(got)]).toEqual(wanted);
        }
      }
    });
  });

  it('adds rows in order, each dtype into each', () => {
    forEachIsa(native, (isa) => {
      for (const from of floatTypes) {
        for (const to of floatTypes) {
          for (const channels of oddSizes) {
            const base = quantize(to, randomNormal(7 * channels, 1));
            const source = quantize(from, randomNormal(5 * channels, 2));
            const target = misalignedTensor([7, channels], base, to);
            native.scatterRowsAdd(
              target,
              misalignedTensor([5, channels], source, from),
              tensor([5], picks, 'i32'),
            );
            expectAccurate(
              target,
              to,
              (op, store) => {
                const total = Float64Array.from(base);
                for (let i = 0; i < source.length; i++) {
                  const at = picks[Math.floor(i / channels)]! * channels + (i % channels);
                  total[at] = store(op(total[at]! + source[i]!));
                }
                return total;
              },
              `${isa} ${from} into ${to}, ${channels}`,
            );
          }
        }
      }
    });
  });

  it('has the same bits for 1, 2 and 3 threads', () => {
    const rows = tensor([400], randomIntegers(400, 3, 5), 'i32');
    const source = tensor([400, 260], randomNormal(400 * 260, 4));
    expectSameForThreads(native, () => {
      const target = native.full([5, 260], 'f32', 0);
      native.scatterRowsAdd(target, source, rows);
      return [target, native.gatherRows(source, rows)];
    });
  });

  it('names a row outside the matrix', () => {
    const x = native.full([3, 2], 'f32', 0);
    const rows = tensor([2], [0, 3], 'i32');
    expectError('ERR_ARGUMENT', /\[gatherRows\] row 3 at 1 .* 3 rows/, () => native.gatherRows(x, rows));
    expectError('ERR_ARGUMENT', /\[scatterRowsAdd\] row 3 at 1/, () => native.scatterRowsAdd(x, x, rows));
    expectError('ERR_SHAPE', /source.*\[1, 2\].*\[3, 2\]/, () =>
      native.scatterRowsAdd(x, x, tensor([1], [0], 'i32')),
    );
  });
});

describe('columnSum', () => {
  it('agrees with double precision, for few rows and many', () => {
    forEachIsa(native, (isa) => {
      for (const dtype of floatTypes) {
        for (const [rows, channels] of [
          [1, 5],
          [31, 33],
          [33, 7],
          [2100, 65],
        ] as const) {
          const x = quantize(dtype, randomNormal(rows * channels, rows));
          expectAccurate(
            native.columnSum(misalignedTensor([rows, channels], x, dtype)),
            'f32',
            (op) => {
              const total = new Float64Array(channels);
              for (let i = 0; i < x.length; i++) total[i % channels] = op(total[i % channels]! + x[i]!);
              return total;
            },
            `${isa} ${rows}`,
          );
        }
      }
    });
  });

  it('is 0 for no rows', () => {
    expect([...values(native.columnSum(native.empty([0, 3], 'f32')))]).toEqual([0, 0, 0]);
  });

  it('has the same bits for 1, 2 and 3 threads', () => {
    const x = tensor([3000, 70], randomNormal(3000 * 70, 1));
    expectSameForThreads(native, () => native.columnSum(x));
  });
});

describe('transpose', () => {
  it('moves every element of any dtype', () => {
    forEachIsa(native, () => {
      for (const dtype of ['f32', 'bf16', 'i32', 'u8'] as const) {
        for (const rows of fewOddSizes) {
          for (const channels of fewOddSizes) {
            const x = randomIntegers(rows * channels, rows + channels, 200);
            const t = native.transpose(misalignedTensor([rows, channels], x, dtype));
            expect(native.shapeOf(t)).toEqual([channels, rows]);
            const wanted = Float64Array.from(x, (_, i) => x[(i % rows) * channels + Math.floor(i / rows)]!);
            expectSameBits(values(t), wanted, `${dtype} ${rows} x ${channels}`);
          }
        }
      }
    });
  });

  it('wants a matrix', () => {
    expectError('ERR_SHAPE', /\[transpose\].*\[rows, channels\].*\[3\]/, () =>
      native.transpose(native.empty([3], 'f32')),
    );
  });
});
