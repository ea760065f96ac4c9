/** The shares of batches and the weights of tokens, against the means that they stand for. */
import { describe, expect, it } from 'vitest';
import { lossShare, tokenWeights } from '../../../src/train/rl/loss-aggregation.ts';
import { Rollout, RolloutBatch } from '../../../src/train/rl/rollout.ts';
import { sequenceOf } from './world.ts';

const lengths = [2, 5, 1, 4];
const sequences = lengths.map((length) => sequenceOf(3, new Array<number>(length).fill(7)));
const none = new Float32Array(0);
const rollout = new Rollout(
  0,
  sequences,
  { logProbs: none, referenceLogProbs: none, advantages: none, values: none, returns: none },
  {},
);
const batches = [new RolloutBatch(rollout, [1, 0]), new RolloutBatch(rollout, [2, 3])];
/** A loss for each token, response after response. */
const losses = lengths.map((length, i) => Array.from({ length }, (_, t) => 10 * i + t));
const total = (numbers: readonly number[]) => numbers.reduce((sum, number) => sum + number, 0);
const mean = (numbers: readonly number[]) => total(numbers) / numbers.length;

describe('the loss of an update', () => {
  it.each([
    ['dapo', mean(losses.flat())],
    ['grpo', mean(losses.map(mean))],
    ['dr-grpo', total(losses.flat()) / (4 * 6)],
    ['bnpo', mean([mean([...losses[0]!, ...losses[1]!]), mean([...losses[2]!, ...losses[3]!])])],
  ] as const)('of the kind %s', (kind, wanted) => {
    const sums = batches.map((batch) => {
      const weights = tokenWeights(kind, batch)?.toFloats();
      const own = batch.indices.flatMap((i) => losses[i]!);
      return total(own.map((loss, t) => loss * (weights?.[t] ?? 1)));
    });
    const shares = batches.map((batch) => lossShare(kind, batch, 6));
    expect(total(sums) / total(shares)).toBeCloseTo(wanted, 5);
  });
});
