/** Which rows and tokens of a rollout count: the response's own, its stop token included, and no others. */
import { expect, it } from 'vitest';
import {
  byTokens,
  episodeInput,
  packSequences,
  responseLength,
  responseStarts,
} from '../../src/scoring/episode.ts';
import { episodeOf } from '../train/rl/world.ts';

const episodes = [episodeOf(3, [10, 11, 63]), episodeOf(1, [12]), episodeOf(2, [13, 14], false)];

it('R19: the tokens of a response are real to its stop token or its last, and nothing else is', () => {
  expect(episodes.map(responseLength)).toEqual([3, 1, 2]);
  expect([...responseStarts(episodes)]).toEqual([0, 3, 4, 6]);
  const { rows, targets } = episodeInput(episodes);
  expect([...targets.toInts()]).toEqual([10, 11, 63, 12, 13, 14]);
  // The row before each token predicts it: rows 2, 3 and 4 of the first, 5 of the second, 7 and 8 of the third.
  expect([...rows.toInts()]).toEqual([2, 3, 4, 5, 7, 8]);
});

it('a model reads all but the last token of each, with positions from 0', () => {
  const { input } = episodeInput(episodes);
  expect([...input.tokens.toInts()]).toEqual([1, 2, 3, 10, 11, 1, 1, 2, 13]);
  expect([...input.positions.toInts()]).toEqual([0, 1, 2, 3, 4, 0, 0, 1, 2]);
  expect([...input.cuSeqlens.toInts()]).toEqual([0, 5, 6, 9]);
  expect([...packSequences([]).cuSeqlens.toInts()]).toEqual([0]);
});

it('runs of bounded size keep the order, and a longer item is a run of its own', () => {
  const lengths = [3, 3, 3, 9, 1, 1];
  expect(byTokens(lengths, (length) => length, 6)).toEqual([[3, 3], [3], [9], [1, 1]]);
  expect(byTokens([], () => 1, 6)).toEqual([]);
});
