/**
 * The rows and tokens of a rollout that count: those of the response with its stop token,
 * and no others.
 */
import { expect, it } from 'vitest';
import {
  byTokens,
  lastRows,
  packSequences,
  responseInput,
  responseLength,
  responseStarts,
} from '../../src/scoring/sequences.ts';
import { sequenceOf } from '../train/rl/world.ts';

const sequences = [sequenceOf(3, [10, 11, 63]), sequenceOf(1, [12]), sequenceOf(2, [13, 14], false)];

it('R19: the tokens of a response are real to its stop token or its last, and nothing else is', () => {
  expect(sequences.map(responseLength)).toEqual([3, 1, 2]);
  expect([...responseStarts(sequences)]).toEqual([0, 3, 4, 6]);
  const { rows, targets } = responseInput(sequences);
  expect([...targets.toInts()]).toEqual([10, 11, 63, 12, 13, 14]);
  // The row before each token predicts it: rows 2, 3 and 4 of the first, 5 of the second, 7 and 8
  // of the third.
  expect([...rows.toInts()]).toEqual([2, 3, 4, 5, 7, 8]);
});

it('a model reads all but the last token of each, with positions from 0', () => {
  const { input } = responseInput(sequences);
  expect([...input.tokens.toInts()]).toEqual([1, 2, 3, 10, 11, 1, 1, 2, 13]);
  expect([...input.positions.toInts()]).toEqual([0, 1, 2, 3, 4, 0, 0, 1, 2]);
  expect([...input.cuSeqlens.toInts()]).toEqual([0, 5, 6, 9]);
  expect([...packSequences([]).cuSeqlens.toInts()]).toEqual([0]);
  expect([...lastRows(sequences.map(({ tokens }) => tokens)).toInts()]).toEqual([5, 7, 11]);
});

it('runs of bounded size keep the order, and a longer item is a run of its own', () => {
  const lengths = [3, 3, 3, 9, 1, 1];
  expect(byTokens(lengths, (length) => length, 6)).toEqual([[3, 3], [3], [9], [1, 1]]);
  expect(byTokens([], () => 1, 6)).toEqual([]);
});
