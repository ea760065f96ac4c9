/** The reward of a response, and the tokens that get it. */
import { describe, expect, it } from 'vitest';
import { sumsByResponse } from '../../../src/scoring/sequences.ts';
import {
  explainedVariance,
  penaliseUnfinished,
  standardDeviation,
  tokenRewards,
} from '../../../src/train/rl/rewards.ts';
import { STOPS, sequenceOf } from './world.ts';

describe('R18: a response without a stop token', () => {
  // The second ends with the stop token in the very last slot.
  const stop = STOPS[0]!;
  const sequences = [
    sequenceOf(2, [1, 2, 3, 4], false),
    sequenceOf(2, [1, 2, 3, stop]),
    sequenceOf(2, [stop]),
  ];
  const scores = Float32Array.of(2, 3, 4);

  it('gets a fixed score', () => {
    const made = penaliseUnfinished(scores, sequences, { missingEos: 'score', missingEosValue: -1 });
    expect([...made]).toEqual([-1, 3, 4]);
  });

  it('or loses a penalty', () => {
    const made = penaliseUnfinished(scores, sequences, { missingEos: 'penalty', missingEosValue: 1.5 });
    expect([...made]).toEqual([0.5, 3, 4]);
  });

  it('or neither', () => {
    const made = penaliseUnfinished(scores, sequences, { missingEos: 'none', missingEosValue: 1.5 });
    expect([...made]).toEqual([2, 3, 4]);
  });
});

it('R20: each token pays for its KL, and the last one of a response gets the score, stopped or not', () => {
  const kl = Float32Array.of(0.5, -0.25, 1, 2, 0.5, 4);
  const starts = Int32Array.of(0, 3, 4, 6);
  const rewards = tokenRewards(Float32Array.of(10, 20, 30), kl, starts, 0.5);
  expect([...rewards]).toEqual([-0.25, 0.125, 9.5, 19, -0.25, 28]);
  expect([...kl]).toEqual([0.5, -0.25, 1, 2, 0.5, 4]);
});

it('sums of responses are over their own tokens', () => {
  expect([...sumsByResponse(Float32Array.of(1, 2, 3, 4), Int32Array.of(0, 1, 1, 4))]).toEqual([1, 0, 9]);
});

it('explained variance is 1 for the truth, 0 for the mean, below 0 for worse, and nothing for equal returns', () => {
  const returns = Float32Array.of(1, 2, 3, 6);
  expect(explainedVariance(returns, returns)).toBe(1);
  expect(explainedVariance(Float32Array.of(3, 3, 3, 3), returns)).toBe(0);
  // A constant error is no variance: the critic ranks states rightly.
  expect(explainedVariance(Float32Array.of(0, 1, 2, 5), returns)).toBe(1);
  expect(explainedVariance(Float32Array.of(6, 3, 2, 1), returns)).toBeLessThan(0);
  expect(explainedVariance(Float32Array.of(0, 1), Float32Array.of(2, 2))).toBeUndefined();
});

it('standardDeviation divides by the count', () => {
  expect(standardDeviation([1, 3])).toBe(1);
});
