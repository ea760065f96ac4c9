import { describe, expect, it } from 'vitest';
import { mix } from '../../../src/base/random.ts';
import { Permutation } from '../../../src/data/permutation.ts';
import { TokenLoader } from '../../../src/data/shards/token-loader.ts';
import { temporaryFolder } from '../../helpers/cli.ts';
import { rng } from '../../helpers/reference.ts';
import { EOS, writeIds } from '../corpus/corpora.ts';

const random = rng(4);
const lengths = Array.from({ length: 120 }, () => 1 + random.integer(90));
const options = { batchSize: 3, context: 32, seed: 5 };

function dataset(shardTokens = 700) {
  return writeIds(temporaryFolder(), { train: lengths, validation: [5] }, { shardTokens });
}

const rowsOf = (tokens: Int32Array, context: number) =>
  Array.from({ length: tokens.length / context }, (_, i) => tokens.slice(i * context, (i + 1) * context));

describe('permutation', () => {
  it.each([1, 2, 3, 5, 16, 17, 1000, 4097])('of %i visits each place once, in the range', (size) => {
    for (let seed = 0; seed < 5; ++seed) {
      const permutation = new Permutation(size, seed, 1);
      const places = Array.from({ length: size }, (_, i) => permutation.at(i));
      expect([...places].sort((a, b) => a - b)).toEqual(places.map((_, i) => i));
    }
  });

  it('sends every index anywhere with about equal chance', () => {
    for (const size of [5, 7, 12]) {
      const counts = Array.from({ length: size }, () => new Array<number>(size).fill(0));
      const rounds = 4000;
      for (let seed = 0; seed < rounds; ++seed) {
        const permutation = new Permutation(size, seed, 0);
        for (let i = 0; i < size; ++i) counts[i]![permutation.at(i)]! += 1;
      }
      const expected = rounds / size;
      const chiSquare = counts.flat().reduce((sum, n) => sum + (n - expected) ** 2 / expected, 0);
      // (size - 1)^2 degrees of freedom: mean k, variance 2 k; six deviations leave no chance.
      const k = (size - 1) ** 2;
      expect(chiSquare).toBeLessThan(k + 6 * Math.sqrt(2 * k));
    }
  });

  it('leaves no trace of the order: neighbours end up far apart, epochs and large seeds differ', () => {
    const size = 10_000;
    const places = (seed: number, epoch: number) => {
      const permutation = new Permutation(size, seed, epoch);
      return Array.from({ length: size }, (_, i) => permutation.at(i));
    };
    const first = places(1, 0);
    const gaps = first.slice(1).map((place, i) => Math.abs(place - first[i]!));
    const mean = gaps.reduce((sum, gap) => sum + gap, 0) / gaps.length;
    expect(Math.abs(mean / (size / 3) - 1)).toBeLessThan(0.05);
    for (const other of [places(1, 1), places(2, 0), places(1 + 2 ** 32, 0), places(1, 2 ** 32)]) {
      const same = other.filter((place, i) => place === first[i]).length;
      expect(same).toBeLessThan(10);
    }
  });

  it('reaches beyond 32 bits', () => {
    const size = 2 ** 40 + 7;
    const permutation = new Permutation(size, 3, 0);
    const seen = new Set(Array.from({ length: 1000 }, (_, i) => permutation.at(size - 1 - i)));
    expect(seen.size).toBe(1000);
    expect(Math.max(...seen)).toBeLessThan(size);
    expect(Math.max(...seen)).toBeGreaterThan(2 ** 39);
    expect(mix(2 ** 40, 1)).not.toBe(mix(0, 1));
  });
});

describe('token loader', () => {
  it.each([true, false])('visits every window exactly once an epoch (shuffle %s)', (shuffle) => {
    const data = dataset();
    const { context } = options;
    const loader = new TokenLoader(data, { ...options, shuffle, batchSize: 1, documentMask: false });
    const whole = data.read('train', 0, data.tokens('train'));
    const placeOf = new Map([...whole.entries()].filter(([, id]) => id !== EOS).map(([at, id]) => [id, at]));
    const orders: number[][] = [];
    for (let epoch = 0; epoch < 3; ++epoch) {
      const starts: number[] = [];
      for (let i = 0; i < loader.windows; ++i) {
        expect(loader.epoch).toBe(epoch);
        const { tokens, targets } = loader.next();
        const sure = tokens.findIndex((id) => id !== EOS);
        const start = placeOf.get(tokens[sure]!)! - sure;
        expect(tokens).toEqual(whole.slice(start, start + context));
        expect(targets).toEqual(whole.slice(start + 1, start + context + 1));
        starts.push(start);
      }
      const sorted = [...starts].sort((a, b) => a - b);
      const shift = sorted[0]!;
      expect(shift).toBeLessThan(context);
      expect(sorted).toEqual(sorted.map((_, i) => shift + i * context));
      // All that is not visited is less than a context at either end.
      expect(whole.length - 1 - (shift + starts.length * context)).toBeLessThan(2 * context);
      orders.push(starts);
    }
    const [first, second] = orders;
    if (shuffle) expect(first).not.toEqual(second);
    else expect(first).toEqual(second);
    if (shuffle) expect(new Set(orders.map((starts) => Math.min(...starts))).size).toBeGreaterThan(1);
  });

  it('starts sequences at windows and documents; no target but the end of text lies beyond its document', () => {
    const loader = new TokenLoader(dataset(), { ...options, batchSize: 4 });
    for (let i = 0; i < 60; ++i) {
      const { tokens, targets, positions, cuSeqlens } = loader.next();
      const starts = [...tokens.keys()].filter((at) => at % 32 === 0 || tokens[at] === EOS);
      expect([...cuSeqlens]).toEqual([...starts, 128]);
      for (const [s, start] of starts.entries()) {
        const end = cuSeqlens[s + 1]!;
        const length = end - start;
        expect([...positions.slice(start, end)]).toEqual(Array.from({ length }, (_, p) => p));
        expect([...targets.slice(start, end - 1)]).toEqual([...tokens.slice(start + 1, end)]);
        const last = targets[end - 1]!;
        if (last !== EOS && tokens[end - 1] !== EOS) expect(last).toBe(tokens[end - 1]! + 1);
      }
    }
  });

  it('without a mask a sequence is a window', () => {
    const { cuSeqlens, positions } = new TokenLoader(dataset(), { ...options, documentMask: false }).next();
    expect([...cuSeqlens]).toEqual([0, 32, 64, 96]);
    expect([...positions]).toEqual(Array.from({ length: 96 }, (_, i) => i % 32));
  });

  it('goes on from any cursor with the same batches, also with another batch size', () => {
    const data = dataset();
    const first = new TokenLoader(data, options);
    const steps = Math.ceil((2.5 * first.windows) / options.batchSize);
    for (let i = 0; i < steps; ++i) {
      const state = JSON.parse(JSON.stringify(first.state()));
      const [again, single] = [
        new TokenLoader(data, options),
        new TokenLoader(data, { ...options, batchSize: 1 }),
      ];
      again.restore(state);
      single.restore(state);
      const batch = first.next();
      expect(again.next()).toEqual(batch);
      expect(again.state()).toEqual(first.state());
      for (const row of rowsOf(batch.tokens, 32)) expect(single.next().tokens).toEqual(row);
    }
  });

  it.each([2, 3])('is shared among %i ranks: each skips the batches of the others', (size) => {
    const data = dataset();
    const one = new TokenLoader(data, options);
    const ranks = Array.from({ length: size }, () => new TokenLoader(data, options));
    for (let i = 0; i < 2 * one.windows; ++i) {
      const own = ranks.map((loader, rank) => (i % size === rank ? loader.next() : void loader.skip()));
      expect(own[i % size]).toEqual(one.next());
      for (const loader of ranks) expect(loader.state()).toEqual(one.state());
    }
  });

  it('resumes with another batch size in the same order', () => {
    const data = dataset();
    const [one, before] = [6, 3].map((batchSize) => new TokenLoader(data, { ...options, batchSize }));
    one!.next();
    for (const _ of [1, 2]) before!.next();
    const after = new TokenLoader(data, { ...options, batchSize: 2 });
    after.restore(before!.state());
    const rows = [1, 2, 3].flatMap(() => rowsOf(after.next().tokens, 32));
    expect(rows).toEqual(rowsOf(one!.next().tokens, 32));
  });

  it('uses every offset in small splits and reads a split that holds one window', () => {
    const data = writeIds(temporaryFolder(), { train: [32], validation: [1] });
    const loader = new TokenLoader(data, { ...options, batchSize: 1 });
    expect(loader.windows).toBe(1);
    for (let i = 0; i < 5; ++i)
      expect([...loader.next().targets]).toEqual(Array.from({ length: 32 }, (_, k) => k + 1));
  });

  it('refuses the place of a run with other data or another order', () => {
    const data = dataset();
    const state = new TokenLoader(data, options).state();
    const other = writeIds(temporaryFolder(), { train: lengths.slice(1), validation: [5] });
    expect(() => new TokenLoader(other, options).restore(state)).toThrow(/another data/);
    expect(() => new TokenLoader(data, { ...options, context: 16 }).restore(state)).toThrow(
      /another context \(32\)/,
    );
    expect(() => new TokenLoader(data, { ...options, seed: 6 }).restore(state)).toThrow(/another seed/);
    expect(() => new TokenLoader(data, { ...options, shuffle: false }).restore(state)).toThrow(/shuffling/);
    for (const cursor of [-1, 1.5, Number.NaN])
      expect(() => new TokenLoader(data, options).restore({ ...state, cursor })).toThrow(
        /not a whole number/,
      );
  });

  it('says what is wrong with its options', () => {
    const data = dataset();
    const make = (changes: object) => () => new TokenLoader(data, { ...options, ...changes });
    expect(make({ context: 10_000_000 })).toThrow(/fewer than one window of 10000001/);
    expect(make({ context: 0 })).toThrow(/context to be a whole number of at least 1/);
    expect(make({ batchSize: 1.5 })).toThrow(/batchSize/);
    expect(make({ split: 'validation' })).toThrow(/validation split .* has 6 tokens/);
  });
});
