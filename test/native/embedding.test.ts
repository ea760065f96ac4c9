import { describe, it } from 'vitest';
import { native } from '../../src/native/addon.ts';
import {
  expectAccurate,
  expectClose,
  expectError,
  expectSameBits,
  expectSameForThreads,
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

const vocabulary = 11;
const places = 6;
const rows = 13;

function indices() {
  return {
    tokens: randomIntegers(rows, 1, vocabulary),
    positions: Int32Array.from({ length: rows }, (_, i) => i % places),
  };
}

describe('embeddingForward', () => {
  it('adds the two rows and rounds once, on odd sizes and every instruction set', () => {
    forEachIsa(native, (isa) => {
      const { tokens, positions } = indices();
      for (const dtype of floatTypes) {
        for (const channels of oddSizes) {
          const byToken = randomNormal(vocabulary * channels, 2);
          const byPlace = randomNormal(places * channels, 3);
          const [t, p] = [misalignedTensor([rows], tokens, 'i32'), tensor([rows], positions, 'i32')];
          const tokenTable = misalignedTensor([vocabulary, channels], byToken);
          const placeTable = misalignedTensor([places, channels], byPlace, 'f32', 3);
          const at = (table: Float32Array, row: number, i: number) => table[row * channels + (i % channels)]!;
          const both = Float32Array.from({ length: rows * channels }, (_, i) => {
            const row = Math.floor(i / channels);
            return at(byToken, tokens[row]!, i) + at(byPlace, positions[row]!, i);
          });
          const y = native.embeddingForward(t, p, tokenTable, placeTable, dtype);
          expectSameBits(
            Float64Array.from(values(y)),
            Float64Array.from(quantize(dtype, both)),
            `${isa} ${channels}`,
          );
          const plain = native.embeddingForward(t, undefined, tokenTable, undefined, dtype);
          const rowsOnly = Float32Array.from({ length: rows * channels }, (_, i) =>
            at(byToken, tokens[Math.floor(i / channels)]!, i),
          );
          expectSameBits(Float64Array.from(values(plain)), Float64Array.from(quantize(dtype, rowsOnly)));
        }
      }
    });
  });

  it('reads bf16 tables as the same numbers in f32', () => {
    forEachIsa(native, (isa) => {
      const { tokens, positions } = indices();
      const [t, p] = [tensor([rows], tokens, 'i32'), tensor([rows], positions, 'i32')];
      for (const channels of [7, 64]) {
        const narrow = [vocabulary, places].map((n, i) =>
          native.cast(tensor([n, channels], randomNormal(n * channels, i)), 'bf16'),
        );
        const wide = narrow.map((table) => native.cast(table, 'f32'));
        for (const dtype of floatTypes) {
          const [a, b] = [narrow, wide].map((tables) =>
            native.embeddingForward(t, p, tables[0]!, tables[1]!, dtype),
          );
          expectSameBits(a!, b!, `${isa} ${dtype} ${channels}`);
        }
      }
    });
  });

  it('names a token or position that is out of range, where it is, and the table size', () => {
    const table = native.full([vocabulary, 4], 'f32', 0);
    const places4 = native.full([places, 4], 'f32', 0);
    const embed = (token: number, position = 0) =>
      native.embeddingForward(
        tensor([2], [0, token], 'i32'),
        tensor([2], [0, position], 'i32'),
        table,
        places4,
        'f32',
      );
    expectError('ERR_ARGUMENT', /token 11 at 1 .* 11 rows/, () => embed(11));
    expectError('ERR_ARGUMENT', /token -1 at 1/, () => embed(-1));
    expectError('ERR_ARGUMENT', /position 6 at 1 .* 6 rows/, () => embed(0, 6));
    expectError('ERR_ARGUMENT', /together/, () =>
      native.embeddingForward(tensor([1], [0], 'i32'), undefined, table, places4, 'f32'),
    );
    expectError('ERR_DTYPE', /token.*i32/, () =>
      native.embeddingForward(tensor([1], [0]), undefined, table, undefined, 'f32'),
    );
    expectError('ERR_DTYPE', /position table to be f32 but it is bf16/, () =>
      native.embeddingForward(
        tensor([1], [0], 'i32'),
        tensor([1], [0], 'i32'),
        table,
        native.cast(places4, 'bf16'),
        'f32',
      ),
    );
    expectError('ERR_SHAPE', /position table.*\[6, 4\].*\[6, 5\]/, () =>
      native.embeddingForward(
        tensor([1], [0], 'i32'),
        tensor([1], [0], 'i32'),
        table,
        native.full([places, 5], 'f32', 0),
        'f32',
      ),
    );
  });
});

describe('embeddingBackward', () => {
  it('is the transpose of forward: the sum of dy over the rows of each index, added to what was there', () => {
    forEachIsa(native, (isa) => {
      const { tokens, positions } = indices();
      for (const dtype of floatTypes) {
        for (const channels of oddSizes) {
          const dy = quantize(dtype, randomNormal(rows * channels, 5));
          const dtokens = misalignedTensor([vocabulary, channels], randomNormal(vocabulary * channels, 6));
          const dplaces = native.full([places, channels], 'f32', 1);
          native.embeddingBackward(
            misalignedTensor([rows, channels], dy, dtype),
            tensor([rows], tokens, 'i32'),
            tensor([rows], positions, 'i32'),
            dtokens,
            dplaces,
          );
          const added = (table: Float32Array, index: Int32Array) => (op: (x: number) => number) => {
            const total = Float64Array.from(table);
            for (let i = 0; i < dy.length; i++) {
              const at = index[Math.floor(i / channels)]! * channels + (i % channels);
              total[at] = op(total[at]! + dy[i]!);
            }
            return total;
          };
          expectAccurate(
            dtokens,
            'f32',
            added(randomNormal(vocabulary * channels, 6), tokens),
            `${isa} ${channels}`,
          );
          expectAccurate(dplaces, 'f32', added(new Float32Array(places * channels).fill(1), positions), isa);
        }
      }
    });
  });

  it('has the same bits for 1, 2 and 3 threads and leaves unused rows alone', () => {
    const [count, channels] = [500, 300];
    const tokens = tensor([count], randomIntegers(count, 7, 9), 'i32');
    const dy = tensor([count, channels], randomNormal(count * channels, 8));
    expectSameForThreads(native, () => {
      const table = native.full([10, channels], 'f32', 0.5);
      native.embeddingBackward(dy, tokens, undefined, table, undefined);
      expectClose(native.slice(table, 9, 10), new Float32Array(channels).fill(0.5), 0);
      return table;
    });
  });

  it('names what does not fit', () => {
    expectError('ERR_SHAPE', /dy.*\[2, 4\].*\[3, 4\]/, () =>
      native.embeddingBackward(
        native.full([3, 4], 'f32', 0),
        tensor([2], [0, 1], 'i32'),
        undefined,
        native.full([5, 4], 'f32', 0),
        undefined,
      ),
    );
  });
});
