/**
 * Sampling: the drawn tokens, their end, and that their log-probabilities are those of training.
 */
import { describe, expect, it } from 'vitest';
import { mean } from '../../../src/base/statistics.ts';
import { ShuffledCycle } from '../../../src/data/rows/cycle.ts';
import type { DType } from '../../../src/native/binding.ts';
import { responseLogProbs } from '../../../src/scoring/response-log-probs.ts';
import { Sampler } from '../../../src/train/rl/sampler.ts';
import { expectSameBits } from '../../helpers/reference.ts';
import { isStop, makeResponders } from './world.ts';

const all = (count: number) => Array.from({ length: count }, (_, i) => i);

describe.each(['f32', 'bf16'] as DType[])('%s', (dtype) => {
  it.each([0.7, 1])(
    'R15: at %d, log-probabilities through the KV cache are those of the full pass, whatever the batch',
    async (temperature) => {
      const { policy, prompts, sampler } = await makeResponders({ dtype, sampler: { temperature } });
      const whole = await sampler.draw(all(16), 5);
      const lengths = new Set(whole.sequences.map(({ tokens }) => tokens.length));
      expect(lengths.size).toBeGreaterThan(4);
      expectSameBits(responseLogProbs(policy, whole.sequences, temperature), whole.logProbs);
      for (const decodeBatchSize of [1, 2, 3, 4, 8, 12, 16]) {
        const { options } = sampler;
        const again = await new Sampler(policy, prompts, { ...options, decodeBatchSize }).draw(all(16), 5);
        expect(again.sequences).toEqual(whole.sequences);
        expectSameBits(again.logProbs, whole.logProbs, `${decodeBatchSize} at once`);
      }
    },
  );
});

describe('R16: a response', () => {
  it('ends with its first stop token, which stays', async () => {
    const { sampler } = await makeResponders();
    const { sequences } = await sampler.draw(all(16), 2);
    const responses = sequences.map(({ tokens, promptLength }) => [...tokens.subarray(promptLength)]);
    expect(new Set(sequences.map(({ finished }) => finished)).size).toBe(2);
    expect(new Set(responses.map(({ length }) => length)).size).toBeGreaterThan(4);
    sequences.forEach(({ finished }, i) => {
      const response = responses[i]!;
      expect(response.findIndex(isStop)).toBe(finished ? response.length - 1 : -1);
      if (!finished) expect(response).toHaveLength(12);
    });
  });

  it('is the free one cut there: stop = 5 makes [1, 2, 5, 9, 5] [1, 2, 5]', async () => {
    const { sampler: free, prompts } = await makeResponders({
      sampler: { stopTokens: [], maxResponseLength: 10 },
    });
    const uncut = await free.draw([3], 9);
    const tokens = [...uncut.sequences[0]!.tokens.subarray(uncut.sequences[0]!.promptLength)];
    const stop = tokens[4]!;
    const { sampler } = await makeResponders({ sampler: { stopTokens: [stop], maxResponseLength: 10 } });
    const { sequences } = await sampler.draw([3], 9);
    const cut = [...sequences[0]!.tokens.subarray(sequences[0]!.promptLength)];
    expect(cut).toEqual(tokens.slice(0, tokens.indexOf(stop) + 1));
    expect(sequences[0]).toMatchObject({ finished: true, promptLength: prompts[3]!.tokens.length });
  });
});

it('R11: tokens are drawn in proportion to their probabilities, none cut off', async () => {
  const { sampler, policy } = await makeResponders({
    sampler: { maxResponseLength: 1, temperature: 0.7, decodeBatchSize: 64 },
  });
  const draws = 4000;
  const { sequences } = await sampler.draw(new Array<number>(draws).fill(2), 3);
  const counts = new Float64Array(64);
  for (const { tokens } of sequences) counts[tokens.at(-1)!]! += 1;
  const prompt = sequences[0]!.tokens.subarray(0, -1);
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
    const { sampler } = await makeResponders({ sampler: { promptsPerRollout: 16 } });
    const cycle = new ShuffledCycle(16, 4);
    const rollout = (prompts: ShuffledCycle, iteration: number) =>
      sampler.draw(sampler.nextPrompts(prompts), sampler.iterationSeed(iteration));
    const first = await rollout(cycle, 0);
    const second = await rollout(cycle, 1);
    const asked = (drawn: typeof first) => drawn.sequences.map(({ prompt }) => prompt);
    expect([...asked(first)].sort((a, b) => a - b)).toEqual(all(16));
    expect([...asked(second)].sort((a, b) => a - b)).toEqual(all(16));
    expect(asked(second)).not.toEqual(asked(first));
    // The same prompts in the same order, but in another iteration.
    const again = await rollout(new ShuffledCycle(16, 4), 1);
    expect(asked(again)).toEqual(asked(first));
    const same = all(16).filter((i) => `${again.sequences[i]!.tokens}` === `${first.sequences[i]!.tokens}`);
    expect(same.length).toBeLessThan(4);
  });

  it('give each of the responses to one prompt its own stream, side by side', async () => {
    const { sampler } = await makeResponders({ sampler: { promptsPerRollout: 4, responsesPerPrompt: 4 } });
    const { sequences } = await sampler.draw(sampler.nextPrompts(new ShuffledCycle(16, 4)), 3);
    for (let group = 0; group < 16; group += 4) {
      const mates = sequences.slice(group, group + 4);
      expect(new Set(mates.map(({ prompt }) => prompt)).size).toBe(1);
      expect(new Set(mates.map(({ tokens }) => `${tokens}`)).size).toBeGreaterThan(1);
    }
  });
});

describe('rollouts with int8 weights', () => {
  it.each([0.7, 1])(
    'at %d: the log-probabilities are those of the policy, bit for bit',
    async (temperature) => {
      const { policy, sampler } = await makeResponders({ dtype: 'bf16', sampler: { temperature } });
      const own = await sampler.draw(all(16), 5);
      const drawn = await sampler.draw(all(16), 5, 'int8');
      expect(drawn.sequences).not.toEqual(own.sequences);
      expectSameBits(responseLogProbs(policy, drawn.sequences, temperature), drawn.logProbs);
      // The draws are of another distribution, and near.
      const gap = mean(drawn.drawnLogProbs!.map((logProb, t) => logProb - drawn.logProbs[t]!));
      expect(Math.abs(gap)).toBeLessThan(0.01);
      expect(gap).not.toBe(0);
      expect(own.drawnLogProbs).toBeUndefined();
      expect(policy.quantized).toBeUndefined();
      expect(await sampler.draw(all(16), 5)).toMatchObject({ sequences: own.sequences });
    },
  );
});
