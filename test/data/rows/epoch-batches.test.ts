/** Epochs that give every row once, whatever the sizes. */
import { describe, expect, it } from 'vitest';
import { EpochBatches } from '../../../src/data/rows/epoch-batches.ts';

/** The batches of `updates` updates. */
function taken(batches: EpochBatches, updates: number, gradAccum = 1): number[][] {
  return Array.from({ length: updates * gradAccum }, () => batches.next());
}

const sizes = [
  { rows: 63, batchSize: 32, gradAccum: 1 },
  { rows: 5, batchSize: 32, gradAccum: 1 },
  { rows: 64, batchSize: 32, gradAccum: 1 },
  { rows: 5, batchSize: 2, gradAccum: 2 },
  { rows: 9, batchSize: 2, gradAccum: 4 },
  { rows: 1, batchSize: 1, gradAccum: 3 },
];

describe.each(sizes)('R38: $rows rows at batch $batchSize and $gradAccum batches per update', (given) => {
  const { rows, batchSize, gradAccum } = given;
  const make = () => new EpochBatches(rows, { batchSize, gradAccum, seed: 5 });

  it('have as many updates per epoch as in transformers', () => {
    // Trainer.set_initial_training_values: ceil(len(dataloader) / gradient_accumulation_steps)
    expect(make().updatesPerEpoch).toBe(Math.ceil(Math.ceil(rows / batchSize) / gradAccum));
  });

  it('are all read once per epoch, in an order of its own, in batches that are full but the last', () => {
    const batches = make();
    const epochs = Array.from({ length: 4 }, () => taken(batches, batches.updatesPerEpoch, gradAccum));
    for (const epoch of epochs) {
      expect(epoch.flat().sort((a, b) => a - b)).toEqual([...Array(rows).keys()]);
      const full = epoch.slice(0, Math.floor(rows / batchSize));
      expect(full.map(({ length }) => length)).toEqual(full.map(() => batchSize));
      expect(epoch[0]!.length).toBeGreaterThan(0);
    }
    if (rows > 4) expect(new Set(epochs.map((epoch) => String(epoch.flat()))).size).toBe(4);
  });

  it('go on exactly from the state after any update', () => {
    const batches = make();
    for (let i = 0; i < 3 * batches.updatesPerEpoch; ++i) {
      const resumed = make();
      resumed.restore(JSON.parse(JSON.stringify(batches.state())));
      expect(taken(resumed, 1, gradAccum)).toEqual(taken(batches, 1, gradAccum));
    }
  });

  it.each([2, 3])('are shared out among %i ranks: each skips the batches of the others', (size) => {
    const one = make();
    const ranks = Array.from({ length: size }, make);
    for (let i = 0; i < 3 * one.updatesPerEpoch * gradAccum; ++i) {
      const own = ranks.map((rank, r) => (i % size === r ? rank.next() : void rank.skip()));
      expect(own[i % size]).toEqual(one.next());
      for (const rank of ranks) expect(rank.state()).toEqual(one.state());
    }
  });
});

it.each([1, 3])('go on at the same row with another batch size and %i batches per update', (gradAccum) => {
  const options = { batchSize: 4, gradAccum: 1, seed: 5 };
  const [before, same] = [new EpochBatches(10, options), new EpochBatches(10, options)];
  before.next();
  same.next();
  const resumed = new EpochBatches(10, { batchSize: 2, gradAccum, seed: 5 });
  resumed.restore(JSON.parse(JSON.stringify(before.state())));
  // The epoch has 6 more rows, and the next one another order of all 10.
  const epochs = [
    taken(resumed, 3 / gradAccum, gradAccum),
    taken(resumed, Math.ceil(5 / gradAccum), gradAccum),
  ];
  const expected = [taken(same, 2), taken(same, 3)];
  expect(epochs.map((epoch) => epoch.flat())).toEqual(expected.map((epoch) => epoch.flat()));
  expect(resumed.state()).toEqual(same.state());
});

it('R38: a state of other rows is refused, and so is nothing', () => {
  const state = new EpochBatches(5, { batchSize: 2, seed: 2 }).state();
  const other = new EpochBatches(6, { batchSize: 2, seed: 2 });
  expect(() => other.restore(state)).toThrow(/5 rows to choose from and there are 6/);
  expect(() => new EpochBatches(0, { batchSize: 2, seed: 2 })).toThrow(/0 items/);
});
