/**
 * Scoring: rewards of cut responses, the rule for responses without an end token,
 * and the reference.
 */
import { expect, it } from 'vitest';
import { responseLogProbs } from '../../../src/scoring/response-log-probs.ts';
import { RolloutModels } from '../../../src/train/rl/models.ts';
import { Scorer } from '../../../src/train/rl/scorer.ts';
import { expectSameBits } from '../../helpers/reference.ts';
import { byteTokenizer, isStop, makeResponders, tinyPolicy } from './world.ts';

const all = (count: number) => Array.from({ length: count }, (_, i) => i);

it('R12: identical weights have a KL of exactly 0 at any temperature', async () => {
  const { respond } = await makeResponders({ sampler: { temperature: 0.7 } });
  const { logProbs, referenceLogProbs } = await respond(all(16), 5);
  expectSameBits(referenceLogProbs, logProbs);
});

it('R17: what is scored is the response as it was cut, with its row', async () => {
  const { respond, reward, prompts } = await makeResponders();
  const { sequences, scores } = await respond(all(16), 2);
  expect(reward.seen.map(({ tokens }) => tokens)).toEqual(sequences.map(({ tokens }) => tokens));
  expect(reward.seen.map(({ row }) => row)).toEqual(prompts.map(({ row }) => row));
  const even = sequences.map(
    ({ tokens, promptLength }) => tokens.subarray(promptLength).filter((token) => token % 2 === 0).length / 4,
  );
  expect([...scores]).toEqual(even);
});

it('R18: the configured stop token decides, whatever else a response ends with', async () => {
  const penalty = { missingEos: 'penalty', missingEosValue: 100 } as const;
  const { respond } = await makeResponders({ scorer: penalty });
  const { sequences, scores, rawScores } = await respond(all(16), 2);
  sequences.forEach(({ tokens }, i) => {
    expect(scores[i]).toBe(rawScores[i]! - (isStop(tokens.at(-1)!) ? 0 : 100));
  });
  expect(new Set(scores.map((score, i) => rawScores[i]! - score))).toEqual(new Set([0, 100]));
});

it('scores beyond the clip are cut to it, on both sides', async () => {
  const { respond } = await makeResponders({
    scorer: { rewardClip: 2 },
    reward: ({ row }) => Number(row.place) - 8,
  });
  const { rawScores } = await respond([0, 6, 7, 9, 15], 2);
  expect([...rawScores]).toEqual([-2, -2, -1, 1, 2]);
});

it('another reference than the policy has other log-probabilities, of the same tokens', async () => {
  const { respond, models, prompts, scorer } = await makeResponders();
  const reference = tinyPolicy(2);
  const { policy, reward } = models;
  const others = new RolloutModels({ policy, reference, reward });
  const { sequences, referenceLogProbs } = await respond(all(4), 2);
  const other = await new Scorer(others, prompts, await byteTokenizer(), scorer.options).score(sequences);
  expectSameBits(other.referenceLogProbs, responseLogProbs(reference, sequences, 1));
  expect(other.referenceLogProbs).not.toEqual(referenceLogProbs);
});
