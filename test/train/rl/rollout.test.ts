import { describe, expect, it } from 'vitest';
import { Rollout } from '../../../src/train/rl/rollout.ts';
import { sequenceOf } from './world.ts';

const sequences = Array.from({ length: 12 }, (_, i) =>
  sequenceOf(1 + (i % 3), new Array<number>(1 + (i % 4)).fill(i)),
);
const total = sequences.reduce((sum, { tokens, promptLength }) => sum + tokens.length - promptLength, 0);
const numbers = (offset: number) => Float32Array.from({ length: total }, (_, i) => offset + i);
const make = (iteration = 2) =>
  new Rollout(
    iteration,
    sequences,
    {
      logProbs: numbers(0),
      referenceLogProbs: numbers(100),
      advantages: numbers(200),
      values: numbers(300),
      returns: new Float32Array(0),
    },
    { reward: 1.5 },
  );

describe('R36: each epoch', () => {
  it('goes through all responses once, in an order of its own that another batch size keeps', () => {
    const [whole, thirds] = [make(), make()];
    const epochs = [0, 1, 2].map(() => whole.take(12, 7).indices);
    for (const epoch of epochs) expect([...epoch].sort((a, b) => a - b)).toEqual([...sequences.keys()]);
    expect(new Set(epochs.map(String)).size).toBe(3);
    expect([0, 1, 2].flatMap(() => thirds.take(4, 7).indices)).toEqual(epochs[0]);
    expect(make(3).take(12, 7).indices).not.toEqual(epochs[0]);
    expect(make().take(12, 8).indices).not.toEqual(epochs[0]);
  });

  it('is over when it is ended', () => {
    const rollout = make();
    rollout.take(4, 7);
    expect(rollout.isUsedUp(1)).toBe(false);
    rollout.take(8, 7);
    expect(rollout.isUsedUp(1)).toBe(true);
    expect(rollout.isUsedUp(2)).toBe(false);
    rollout.finish();
    expect(rollout.isUsedUp(1000)).toBe(true);
  });
});

it('gathers the numbers of the responses asked for, end to end', () => {
  // Lengths are 1, 2, 3, 4, 1, ...: the third response holds numbers 3 to 5, the first 0.
  expect([...make().gather('advantages', [2, 0])]).toEqual([203, 204, 205, 200]);
  expect([...make().gather('logProbs', [])]).toEqual([]);
});

describe('R39: from its state', () => {
  const restored = (rollout: Rollout, cut = 0) => {
    const tensors = new Map(rollout.tensors().map(([name, { data }]) => [name, data as Float32Array]));
    const state = JSON.parse(JSON.stringify(rollout.state()));
    const read = (name: string) => {
      const data = tensors.get(name)!;
      return { data: name === 'rollout/tokens' ? data.subarray(cut) : data } as never;
    };
    return Rollout.restore(state, read);
  };

  it('it goes on with the same responses in the same order', () => {
    const rollout = make();
    rollout.take(5, 7);
    const again = restored(rollout);
    expect(again.sequences).toEqual(sequences);
    expect(again.perToken).toEqual(rollout.perToken);
    expect(again.metrics).toEqual({ reward: 1.5 });
    expect(again.take(19, 7).indices).toEqual(rollout.take(19, 7).indices);
  });

  it('that does not match its tokens is refused', () => {
    expect(() => restored(make(), 1)).toThrow(/does not match its tokens/);
  });
});
