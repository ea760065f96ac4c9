import { describe, expect, it } from 'vitest';
import { batchesOfRank, subtreesOf } from '../../src/comm/batch-sums.ts';
import { CHUNK, layoutOf, ownedRun } from '../../src/comm/bucket-layout.ts';
import { native } from '../../src/native/addon.ts';
import { parameterCount } from '../../src/nn/config.ts';
import { Gpt } from '../../src/nn/gpt.ts';
import { presetConfig } from '../../src/nn/presets.ts';
import { full, type Tensor, zeros } from '../../src/tensor/tensor.ts';

/** Sizes around a chunk, small ones between large ones. */
const sizes = [1, 63, 64, 65, 4095, 4096, 4097, 100, 20_000, 7, 12_288, 64, 50_000];
const make = () => sizes.map((size) => zeros([size]));

describe('the elements that ranks own', () => {
  it.each([1, 2, 3, 4, 7, 64])('of %i ranks are each parameter once, from whole chunks on', (ranks) => {
    for (const limit of [1, 30_000, 1e9]) {
      const parameters = make();
      const seen = new Set<Tensor>();
      for (const layout of layoutOf(parameters, limit, ranks)) {
        for (const placed of layout.placed) {
          seen.add(placed.parameter);
          const runs = Array.from({ length: ranks }, (_, rank) => ownedRun(layout, placed, rank));
          const owned = runs.filter(({ begin, end }) => begin < end);
          expect(owned[0]!.begin).toBe(0);
          expect(owned.at(-1)!.end).toBe(placed.parameter.size);
          for (const [i, { begin }] of owned.slice(1).entries()) expect(begin).toBe(owned[i]!.end);
          if (ranks > 1) for (const { begin } of owned) expect(begin % CHUNK).toBe(0);
        }
        const places = [...layout.placed].sort((a, b) => a.begin - b.begin);
        places.slice(1).forEach(({ begin }, i) => {
          expect(begin).toBeGreaterThanOrEqual(places[i]!.begin + places[i]!.parameter.size);
          expect(begin % 64).toBe(0);
        });
      }
      expect(seen.size).toBe(parameters.length);
    }
  });

  it('are at most 0.30 of the state for each of 4 ranks', () => {
    const model = new Gpt(presetConfig('nano', { vocabSize: 4096 }), { seed: 1 });
    const layouts = layoutOf([...model.parameters().values()].reverse(), 8 * 2 ** 20, 4);
    const total = parameterCount(model.config);
    for (let rank = 0; rank < 4; ++rank) {
      const runs = layouts.flatMap((layout) => layout.placed.map((placed) => ownedRun(layout, placed, rank)));
      const share = runs.reduce((sum, { begin, end }) => sum + end - begin, 0) / total;
      expect(share).toBeLessThan(0.3);
    }
    model.dispose();
  });

  it('have buckets for each dtype and for what is smaller than a chunk, in the order of their ends', () => {
    const parameters = [
      zeros([10]),
      zeros([20], 'bf16'),
      zeros([CHUNK]),
      zeros([CHUNK], 'bf16'),
      zeros([30]),
      zeros([CHUNK]),
    ];
    const places = (ranks: number) =>
      layoutOf(parameters, 1e6, ranks).map(({ dtype, placed }) => [
        dtype,
        ...placed.map(({ parameter }) => parameters.indexOf(parameter)),
      ]);
    expect(places(2)).toEqual([
      ['bf16', 1],
      ['bf16', 3],
      ['f32', 0, 4],
      ['f32', 2, 5],
    ]);
    expect(places(1)).toEqual([
      ['bf16', 1, 3],
      ['f32', 0, 2, 4, 5],
    ]);
  });

  it('of matrices are equal, whatever biases lie between them', () => {
    const parameters = Array.from({ length: 6 }, () => [zeros([4 * CHUNK]), zeros([100])]).flat();
    const parts = layoutOf(parameters, 8 * CHUNK, 4).map(({ partSize }) => partSize / CHUNK);
    expect(parts.sort()).toEqual([1, 2, 2, 2]);
  });

  it('are counted in the chunks of the engine', () => {
    expect(native.squaresByChunk([full([2 * CHUNK], 1).handle])).toHaveLength(2);
    expect(native.squaresByChunk([full([2 * CHUNK + 1], 1).handle])).toHaveLength(3);
  });
});

describe('the batches of a rank', () => {
  it('are a run, and all ranks together have each once', () => {
    for (const [batches, ranks] of [
      [5, 3],
      [8, 8],
      [9, 4],
      [100, 7],
    ] as const) {
      const runs = Array.from({ length: ranks }, (_, rank) => batchesOfRank(batches, rank, ranks));
      expect(runs[0]!.begin).toBe(0);
      expect(runs.at(-1)!.end).toBe(batches);
      for (const [i, { begin }] of runs.slice(1).entries()) expect(begin).toBe(runs[i]!.end);
      for (const { begin, end } of runs) expect(end).toBeGreaterThan(begin);
    }
  });

  it('sum to one tree where they are a power of two, and else to a few', () => {
    const shape = (begin: number, end: number) =>
      subtreesOf({ begin, end }).map(({ first, count }) => [first, count]);
    expect(shape(4, 8)).toEqual([[4, 4]]);
    expect(shape(0, 7)).toEqual([
      [0, 4],
      [4, 2],
      [6, 1],
    ]);
    expect(shape(3, 6)).toEqual([
      [3, 1],
      [4, 2],
    ]);
  });
});
