/**
 * What decoder_cached refuses, and threads that decode sequences of their own; that its bits are those of the full pass
 * is in test/nn/gpt.test.ts and lora.test.ts.
 */
import { afterEach, describe, expect, it } from 'vitest';
import { native } from '../../src/native/addon.ts';
import { expectError, expectSameBits, forEachIsa, randomNormal, tensor } from '../helpers/reference.ts';

describe('decoder_cached', () => {
  afterEach(() => native.setNumThreads(0));
  const [d, heads] = [16, 2];
  const matrix = (rows: number, columns: number, seed: number) =>
    tensor([rows, columns], randomNormal(rows * columns, seed), 'f32');
  const gain = () => tensor([d], randomNormal(d, 9), 'f32');
  const i32 = (...values: number[]) => tensor([values.length], values, 'i32');
  const trunk = [matrix(5, d, 1), undefined, undefined, gain(), undefined];
  const layer = [
    ...[gain(), undefined, matrix(3 * d, d, 2), undefined, matrix(d, d, 3), undefined],
    ...[gain(), undefined, matrix(2 * d, d, 4), undefined, matrix(d, d, 5), undefined],
  ];
  const decode = (weights = [...trunk, ...layer], adapters: typeof trunk = [], scales: number[] = []) => {
    const caches = native.kvCacheCreate(1, 4, heads, d / heads, 'f32');
    const [slots, past] = [i32(0), i32(0)];
    const sequence = [i32(3, 1), i32(0, 1), i32(0, 2)] as const;
    const shape = [4, heads, heads, true, 1e-5, 'f32'] as const;
    return native.decoderCached(weights, adapters, scales, caches, ...sequence, slots, past, ...shape);
  };

  it('takes one layer', () => {
    expect(native.shapeOf(decode())).toEqual([2, d]);
  });

  describe('with many sequences', () => {
    const sequences = 100;
    const numbers = (of: (i: number) => number) => i32(...Array.from({ length: sequences }, (_, i) => of(i)));
    const adapter = [matrix(2, d, 7), matrix(3 * d, 2, 8), ...new Array<undefined>(6).fill(undefined)];

    /** Three steps of all sequences; the last one's hidden states. */
    const decodeAll = (adapters: typeof trunk, slotOf = (i: number) => sequences - 1 - i) => {
      const caches = native.kvCacheCreate(sequences, 4, heads, d / heads, 'bf16');
      const shape = [4, heads, heads, true, 1e-5, 'bf16'] as const;
      const starts = i32(...Array.from({ length: sequences + 1 }, (_, i) => i));
      return [0, 1, 2].map((step) => {
        const place = numbers(() => step);
        const inputs = [numbers((i) => (i + step) % 5), place, starts, numbers(slotOf), place] as const;
        const scales = adapters.length > 0 ? [0.5, 1, 1, 1] : [];
        return native.decoderCached([...trunk, ...layer], adapters, scales, caches, ...inputs, ...shape);
      })[2]!;
    };

    it.each([
      ['alone', []],
      ['with adapters', adapter],
    ])('gives the same bits whether or not threads share them out, %s', (_, adapters) => {
      forEachIsa(native, () => {
        native.setNumThreads(1);
        const whole = decodeAll(adapters);
        for (const threads of [2, 3]) {
          native.setNumThreads(threads);
          expectSameBits(decodeAll(adapters), whole);
        }
      });
    });

    it('refuses a slot that two threads would write', () => {
      native.setNumThreads(2);
      expectError('ERR_ARGUMENT', /slot 3 is given twice/, () => decodeAll([], (i) => (i === 99 ? 3 : i)));
    });

    it('reports an error of a thread', () => {
      native.setNumThreads(2);
      const wrong = [...layer];
      wrong[2] = matrix(3 * d + 1, d, 2);
      const caches = native.kvCacheCreate(sequences, 4, heads, d / heads, 'f32');
      const inputs = [
        numbers(() => 1),
        numbers(() => 0),
        i32(...Array.from({ length: sequences + 1 }, (_, i) => i)),
      ];
      const places = [numbers((i) => i), numbers(() => 0)];
      expectError('ERR_SHAPE', /expected qkv to be/, () =>
        native.decoderCached(
          [...trunk, ...wrong],
          [],
          [],
          caches,
          inputs[0]!,
          inputs[1]!,
          inputs[2]!,
          places[0]!,
          places[1]!,
          4,
          heads,
          heads,
          true,
          1e-5,
          'f32',
        ),
      );
    });
  });

  it('refuses lists that do not fit the layers', () => {
    expectError('ERR_ARGUMENT', /1 layers, one for each cache, but got 16, 0 and 0/, () =>
      decode([...trunk, ...layer.slice(1)]),
    );
    expectError('ERR_ARGUMENT', /but got 17, 3 and 4/, () =>
      decode(undefined, [undefined, undefined, undefined], [1, 1, 1, 1]),
    );
  });

  it('refuses a decoder without a weight, and an adapter without its other half', () => {
    const missing = [...trunk, ...layer];
    missing[7] = undefined;
    expectError('ERR_ARGUMENT', /every decoder has is missing/, () => decode(missing));
    const half = [matrix(1, d, 6), ...new Array<undefined>(7).fill(undefined)];
    expectError('ERR_ARGUMENT', /every decoder has is missing/, () => decode(undefined, half, [1, 1, 1, 1]));
  });
});
