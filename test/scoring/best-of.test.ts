import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { generate } from '../../src/generate/generate.ts';
import { Gpt } from '../../src/nn/gpt.ts';
import { presetConfig } from '../../src/nn/presets.ts';
import { bestOf } from '../../src/scoring/best-of.ts';

const VOCABULARY = 12;
let model: Gpt;
beforeAll(() => {
  model = new Gpt(presetConfig('tiny', { vocabSize: VOCABULARY, contextLength: 32 }), { seed: 2 });
});
afterAll(() => model.dispose());

const prompts = [[1, 2, 3], [4], [5, 6]];
const options = { maxTokens: 10, temperature: 1, seed: 9, stopTokens: [0] };
const sum = (tokens: ArrayLike<number>) => Array.from(tokens).reduce((a, b) => a + b, 0);

describe('best of n', () => {
  it('is the candidate of the highest score among those that ended by themselves', async () => {
    let read: Int32Array[] = [];
    const score = async (sequences: readonly Int32Array[]) => {
      read = [...sequences];
      return sequences.map(sum);
    };
    const best = await bestOf(model, prompts, { ...options, candidates: 6, score });
    const all = await generate(
      model,
      prompts.flatMap((prompt) => new Array(6).fill(prompt)),
      options,
    );
    expect(read.map((ids) => [...ids])).toEqual(
      all.map(({ tokens }, i) => [...prompts[Math.floor(i / 6)]!, ...tokens]),
    );
    best.forEach((chosen, prompt) => {
      const own = all.slice(6 * prompt, 6 * prompt + 6);
      expect(chosen.scores).toEqual(own.map(({ tokens }) => sum(prompts[prompt]!) + sum(tokens)));
      const ended = own.flatMap(({ finish }, i) => (finish === 'stop' ? [chosen.scores[i]!] : []));
      // Both kinds are among the answers, so the test sees that finished ones come first.
      expect(ended.length).toBeGreaterThan(0);
      expect(chosen.finish).toBe('stop');
      expect(chosen.score).toBe(Math.max(...ended));
      expect(own[chosen.scores.indexOf(chosen.score)]!.tokens).toEqual(chosen.tokens);
    });
    expect(all.some(({ finish }) => finish === 'length')).toBe(true);
  });

  it('is the highest of all where none ended, and of equal scores the first', async () => {
    const never = { ...options, stopTokens: [] };
    const score = async (sequences: readonly Int32Array[]) => sequences.map(sum);
    for (const { score: chosen, scores } of await bestOf(model, prompts, {
      ...never,
      candidates: 4,
      score,
    })) {
      expect(chosen).toBe(Math.max(...scores));
    }
    const same = async (sequences: readonly Int32Array[]) => sequences.map(() => 1);
    const [first] = await bestOf(model, [[1]], { ...never, candidates: 4, score: same });
    const [drawn] = await generate(model, [[1], [1], [1], [1]], never);
    expect(first!.tokens).toEqual(drawn!.tokens);
  });
});
