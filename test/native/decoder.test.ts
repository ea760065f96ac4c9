/** What decoder_cached refuses; that its bits are those of the full pass is in test/nn/gpt.test.ts and lora.test.ts. */
import { describe, expect, it } from 'vitest';
import { native } from '../../src/native/addon.ts';
import { expectError, randomNormal, tensor } from '../helpers/reference.ts';

describe('decoder_cached', () => {
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
