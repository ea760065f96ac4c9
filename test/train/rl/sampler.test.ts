/** Rollouts: what is drawn, where it ends, what is scored, and that its log-probabilities are those of training. */
import { describe, expect, it } from 'vitest';
import { ShuffledCycle } from '../../../src/data/rows/cycle.ts';
import type { DType } from '../../../src/native/binding.ts';
import { responseLogProbs } from '../../../src/scoring/log-probs.ts';
import { Sampler } from '../../../src/train/rl/sampler.ts';
import { expectSameBits } from '../../helpers/reference.ts';
import { isStop, makeSampler, tinyPolicy } from './world.ts';

const all = (count: number) => Array.from({ length: count }, (_, i) => i);

describe.each(['f32', 'bf16'] as DType[])('%s', (dtype) => {
  it.each([0.7, 1])(
    'R15: at %d, log-probabilities through the KV cache are those of the full pass, whatever the batch',
    async (temperature) => {
      const { parts, policy, sampler } = await makeSampler({ dtype, sampler: { temperature } });
      const whole = await sampler.respond(all(16), 5);
      const lengths = new Set(whole.episodes.map(({ tokens }) => tokens.length));
      expect(lengths.size).toBeGreaterThan(4);
      expectSameBits(responseLogProbs(policy, whole.episodes, temperature), whole.logProbs);
      for (let decodeBatch = 1; decodeBatch <= 16; decodeBatch += decodeBatch < 4 ? 1 : 4) {
        const { options } = sampler;
        const again = await new Sampler(parts, { ...options, decodeBatch }).respond(all(16), 5);
        expect(again.episodes).toEqual(whole.episodes);
        expectSameBits(again.logProbs, whole.logProbs, `${decodeBatch} at once`);
      }
    },
  );
});

it('R12: identical weights have a KL of exactly 0 at any temperature', async () => {
  const { sampler } = await makeSampler({ sampler: { temperature: 0.7 } });
  const { logProbs, referenceLogProbs } = await sampler.respond(all(16), 5);
  expectSameBits(referenceLogProbs, logProbs);
});

describe('R16: a response', () => {
  it('ends with its first stop token, which stays', async () => {
    const { sampler } = await makeSampler();
    const { episodes } = await sampler.respond(all(16), 2);
    const responses = episodes.map(({ tokens, promptLength }) => [...tokens.subarray(promptLength)]);
    expect(new Set(episodes.map(({ finished }) => finished)).size).toBe(2);
    expect(new Set(responses.map(({ length }) => length)).size).toBeGreaterThan(4);
    episodes.forEach(({ finished }, i) => {
      const response = responses[i]!;
      expect(response.findIndex(isStop)).toBe(finished ? response.length - 1 : -1);
      if (!finished) expect(response).toHaveLength(12);
    });
  });

  it('is the free one cut there: stop = 5 makes [1, 2, 5, 9, 5] [1, 2, 5]', async () => {
    const { sampler: free, parts } = await makeSampler({ sampler: { stopTokens: [], maxResponse: 10 } });
    const uncut = await free.respond([3], 9);
    const tokens = [...uncut.episodes[0]!.tokens.subarray(uncut.episodes[0]!.promptLength)];
    const stop = tokens[4]!;
    const { sampler } = await makeSampler({ sampler: { stopTokens: [stop], maxResponse: 10 } });
    const { episodes } = await sampler.respond([3], 9);
    const cut = [...episodes[0]!.tokens.subarray(episodes[0]!.promptLength)];
    expect(cut).toEqual(tokens.slice(0, tokens.indexOf(stop) + 1));
    expect(episodes[0]).toMatchObject({ finished: true, promptLength: parts.prompts[3]!.tokens.length });
  });
});

it('R17: what is scored is the response as it was cut, with its row', async () => {
  const { sampler, reward, parts } = await makeSampler();
  const { episodes, scores } = await sampler.respond(all(16), 2);
  expect(reward.seen.map(({ tokens }) => tokens)).toEqual(episodes.map(({ tokens }) => tokens));
  expect(reward.seen.map(({ row }) => row)).toEqual(parts.prompts.map(({ row }) => row));
  const even = episodes.map(
    ({ tokens, promptLength }) => tokens.subarray(promptLength).filter((token) => token % 2 === 0).length / 4,
  );
  expect([...scores]).toEqual(even);
});

it('R18: the configured stop token decides, whatever else a response ends with', async () => {
  const penalty = { missingEos: 'penalty', missingEosValue: 100 } as const;
  const { sampler } = await makeSampler({ sampler: penalty });
  const { episodes, scores, rawScores } = await sampler.respond(all(16), 2);
  episodes.forEach(({ tokens }, i) => {
    expect(scores[i]).toBe(rawScores[i]! - (isStop(tokens.at(-1)!) ? 0 : 100));
  });
  expect(new Set(scores.map((score, i) => rawScores[i]! - score))).toEqual(new Set([0, 100]));
});

it('scores beyond the clip are cut to it, on both sides', async () => {
  const { sampler } = await makeSampler({
    sampler: { rewardClip: 2 },
    reward: ({ row }) => Number(row.place) - 8,
  });
  const { rawScores } = await sampler.respond([0, 6, 7, 9, 15], 2);
  expect([...rawScores]).toEqual([-2, -2, -1, 1, 2]);
});

it('R11: tokens are drawn in proportion to their probabilities, none cut off', async () => {
  const { sampler, policy } = await makeSampler({
    sampler: { maxResponse: 1, temperature: 0.7, decodeBatch: 64 },
  });
  const draws = 4000;
  const { episodes } = await sampler.respond(new Array<number>(draws).fill(2), 3);
  const counts = new Float64Array(64);
  for (const { tokens } of episodes) counts[tokens.at(-1)!]! += 1;
  const prompt = episodes[0]!.tokens.subarray(0, -1);
  const candidates = all(64).map((token) => ({
    prompt: 2,
    tokens: Int32Array.from([...prompt, token]),
    promptLength: prompt.length,
    finished: true,
  }));
  const probabilities = responseLogProbs(policy, candidates, 0.7).map(Math.exp);
  // Pearson's statistic over the tokens expected five times or more, and all others together.
  let statistic = 0;
  let [rareCount, rareShare, cells] = [0, 0, 0];
  probabilities.forEach((share, token) => {
    if (share * draws < 5) {
      rareCount += counts[token]!;
      rareShare += share;
      return;
    }
    cells += 1;
    statistic += (counts[token]! - share * draws) ** 2 / (share * draws);
  });
  statistic += (rareCount - rareShare * draws) ** 2 / (rareShare * draws);
  expect(cells).toBeGreaterThan(10);
  expect(rareCount).toBeGreaterThan(0);
  // A chi-square of so many degrees of freedom lies below this but for one seed in a thousand.
  expect(statistic).toBeLessThan(cells + 4 * Math.sqrt(2 * cells));
});

describe('R36, R38: prompts and seeds', () => {
  it('go through all prompts once a round, in a fresh order, and never draw the same twice', async () => {
    const { sampler } = await makeSampler({ sampler: { prompts: 16 } });
    const cycle = new ShuffledCycle(16, 4);
    const first = await sampler.sample(cycle, 0);
    const second = await sampler.sample(cycle, 1);
    const asked = (rollout: typeof first) => rollout.episodes.map(({ prompt }) => prompt);
    expect([...asked(first)].sort((a, b) => a - b)).toEqual(all(16));
    expect([...asked(second)].sort((a, b) => a - b)).toEqual(all(16));
    expect(asked(second)).not.toEqual(asked(first));
    // The same prompts in the same order, but in another iteration.
    const again = await sampler.sample(new ShuffledCycle(16, 4), 1);
    expect(asked(again)).toEqual(asked(first));
    const same = all(16).filter((i) => `${again.episodes[i]!.tokens}` === `${first.episodes[i]!.tokens}`);
    expect(same.length).toBeLessThan(4);
  });

  it('give each of the responses to one prompt its own stream, side by side', async () => {
    const { sampler } = await makeSampler({ sampler: { prompts: 4, responsesPerPrompt: 4 } });
    const { episodes } = await sampler.sample(new ShuffledCycle(16, 4), 0);
    for (let group = 0; group < 16; group += 4) {
      const mates = episodes.slice(group, group + 4);
      expect(new Set(mates.map(({ prompt }) => prompt)).size).toBe(1);
      expect(new Set(mates.map(({ tokens }) => `${tokens}`)).size).toBeGreaterThan(1);
    }
  });
});

it('another reference than the policy has other log-probabilities, of the same tokens', async () => {
  const { sampler, parts } = await makeSampler();
  const other = tinyPolicy(2);
  const { episodes, referenceLogProbs } = await new Sampler(
    { ...parts, withReference: (body) => body(other) },
    sampler.options,
  ).respond(all(4), 2);
  expectSameBits(referenceLogProbs, responseLogProbs(other, episodes, 1));
});
