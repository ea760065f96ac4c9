/**
 * The errors of the cached decoder, and threads that decode sequences of their own.
 * test/nn/gpt.test.ts and lora.test.ts check that its bits are those of the full pass.
 */
import { afterEach, describe, expect, it } from 'vitest';
import { native } from '../../src/native/addon.ts';
import type {
  DecoderAdapter,
  DecoderLayer,
  DecoderLayerAdapters,
  DecoderModel,
} from '../../src/native/binding/decoder.ts';
import type { DType } from '../../src/native/binding.ts';
import { collectGarbage } from '../helpers/garbage.ts';
import { expectError, expectSameBits, forEachIsa, randomNormal, tensor } from '../helpers/reference.ts';

describe('NativeDecoder', () => {
  afterEach(() => native.setNumThreads(0));
  const [d, heads] = [16, 2];
  const matrix = (rows: number, columns: number, seed: number) =>
    tensor([rows, columns], randomNormal(rows * columns, seed), 'f32');
  const i32 = (...values: number[]) => tensor([values.length], values, 'i32');
  const norm = () => ({ gain: tensor([d], randomNormal(d, 9), 'f32'), bias: undefined });
  const projection = (rows: number, seed: number) => ({ weight: matrix(rows, d, seed), bias: undefined });
  const layer: DecoderLayer = {
    attentionNorm: norm(),
    qkv: projection(3 * d, 2),
    queryKeyNorm: undefined,
    ropeTable: undefined,
    output: projection(d, 3),
    mlpNorm: norm(),
    activation: 'swiglu',
    up: projection(2 * d, 4),
    down: projection(d, 5),
  };
  const modelOf = (layers: DecoderLayer[], dtype: DType): DecoderModel => ({
    tokenTable: matrix(5, d, 1),
    positionTable: undefined,
    layers,
    finalNorm: norm(),
    norm: 'rms',
    eps: 1e-5,
    heads,
    kvHeads: heads,
    dtype,
  });
  const cacheOf = (slots: number, dtype: DType) => native.kvCacheCreate(slots, 4, heads, d / heads, dtype);
  const twoTokens = () => ({
    tokens: i32(3, 1),
    positions: i32(0, 1),
    cuSeqlens: i32(0, 2),
    slots: i32(0),
    pastLengths: i32(0),
    maxTokens: 4,
  });
  const decode = (layers = [layer], adapters: DecoderLayerAdapters[] = []) => {
    const decoder = new native.NativeDecoder(modelOf(layers, 'f32'));
    return decoder.forward({ ...twoTokens(), caches: cacheOf(1, 'f32'), adapters });
  };

  it('takes one layer', () => {
    expect(native.shapeOf(decode())).toEqual([2, d]);
  });

  describe('with many sequences', () => {
    const sequences = 100;
    const numbers = (of: (i: number) => number) => i32(...Array.from({ length: sequences }, (_, i) => of(i)));
    const starts = i32(...Array.from({ length: sequences + 1 }, (_, i) => i));
    const qkv = { a: matrix(2, d, 7), b: matrix(3 * d, 2, 8), scale: 0.5 };
    const adapted = [{ qkv, output: undefined, up: undefined, down: undefined }];

    /** Three steps of all sequences; the last one's hidden states. */
    const decodeAll = (adapters: DecoderLayerAdapters[], slotOf = (i: number) => sequences - 1 - i) => {
      const caches = cacheOf(sequences, 'bf16');
      const decoder = new native.NativeDecoder(modelOf([layer], 'bf16'));
      return [0, 1, 2].map((step) => {
        const place = numbers(() => step);
        return decoder.forward({
          tokens: numbers((i) => (i + step) % 5),
          positions: place,
          cuSeqlens: starts,
          slots: numbers(slotOf),
          pastLengths: place,
          caches,
          maxTokens: 4,
          adapters,
        });
      })[2]!;
    };

    it.each([
      ['alone', []],
      ['with adapters', adapted],
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
      const wrong = { ...layer, qkv: projection(3 * d + 1, 2) };
      const decoder = new native.NativeDecoder(modelOf([wrong], 'f32'));
      const place = numbers(() => 0);
      expectError('ERR_SHAPE', /expected qkv to be/, () =>
        decoder.forward({
          tokens: numbers(() => 1),
          positions: place,
          cuSeqlens: starts,
          slots: numbers((i) => i),
          pastLengths: place,
          caches: cacheOf(sequences, 'f32'),
          maxTokens: 4,
          adapters: [],
        }),
      );
    });
  });

  it('refuses caches and adapters that do not fit the layers', () => {
    const none = { qkv: undefined, output: undefined, up: undefined, down: undefined };
    expectError('ERR_ARGUMENT', /each of 2 layers but got 2 caches and adapters of 0/, () =>
      decode([layer, layer]),
    );
    expectError('ERR_ARGUMENT', /each of 1 layers but got 2 caches and adapters of 2/, () =>
      decode(undefined, [none, none]),
    );
  });

  it('names what is missing of a layer or an adapter, and words that it does not know', () => {
    const { down: _, ...less } = layer;
    expectError('ERR_ARGUMENT', /expected down to be an object but got undefined/, () =>
      decode([less as DecoderLayer]),
    );
    const half = { a: matrix(1, d, 6), scale: 1 } as DecoderAdapter;
    const adapters = [{ qkv: half, output: undefined, up: undefined, down: undefined }];
    expectError('ERR_ARGUMENT', /expected b to be a tensor but got undefined/, () =>
      decode(undefined, adapters),
    );
    const relu = { ...layer, activation: 'relu' as 'gelu' };
    expectError(
      'ERR_ARGUMENT',
      /expected activation to be 'gelu', 'gelu-erf', 'swiglu' or 'geglu' but got 'relu'/,
      () => decode([relu]),
    );
  });

  it('shares the memory of the weights until it is disposed', async () => {
    await collectGarbage();
    const before = native.memoryStats()[0];
    const weights = modelOf([{ ...layer, up: projection(2 * d, 4) }], 'f32');
    const decoder = new native.NativeDecoder(weights);
    const { up } = weights.layers[0]!;
    for (const handle of [weights.tokenTable, weights.finalNorm.gain, up.weight!]) handle.dispose();
    expect(native.memoryStats()[0]).toBeGreaterThan(before);
    decoder.dispose();
    expect(native.memoryStats()[0]).toBe(before);
    expectError('ERR_STATE', /was disposed/, () =>
      decoder.forward({ ...twoTokens(), caches: [], adapters: [] }),
    );
  });
});
