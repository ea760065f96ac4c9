/**
 * The example of raters who disagree, at a small size: its data are as described, and a reward
 * model learns from them.
 */
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { ceilings, rankings, splitWords, TRAINED, UNSEEN } from '../../examples/rater-disagreement.ts';
import { saveModel } from '../../src/checkpoint/gpt-folder.ts';
import { type RatedTerm, ratedTerms } from '../../src/data/packaged/rated-terms.ts';
import { preferenceAccuracy } from '../../src/eval/preference-accuracy.ts';
import { Gpt } from '../../src/nn/gpt.ts';
import { presetConfig } from '../../src/nn/presets.ts';
import { Tokenizer } from '../../src/text/tokenizer.ts';
import { temporaryFolder } from '../helpers/cli.ts';
import { jsonl, rewardDefaults, runReward } from '../helpers/stages.ts';

let terms: RatedTerm[];
beforeAll(async () => {
  terms = await ratedTerms();
});

describe('the ratings', () => {
  it('are ten a term, whole numbers from -4 to 4', () => {
    expect(terms.length).toBeGreaterThan(7500);
    expect(terms.find(({ term }) => term === 'abandon')).toEqual({
      term: 'abandon',
      ratings: [-1, -2, -2, -2, -2, -3, -2, -2, -1, -2],
    });
    for (const { ratings } of terms) {
      expect(ratings).toHaveLength(10);
      expect(ratings.every((rating) => Number.isInteger(rating) && Math.abs(rating) <= 4)).toBe(true);
    }
  });
});

describe('the example', () => {
  it('keeps words that begin alike on one side', () => {
    const { train, heldOut } = splitWords(terms, 0.2, 1);
    const begins = new Set(train.map(({ term }) => term.slice(0, 4)));
    expect(heldOut.some(({ term }) => begins.has(term.slice(0, 4)))).toBe(false);
    expect(heldOut.length / (train.length + heldOut.length)).toBeGreaterThan(0.15);
    expect(heldOut.length / (train.length + heldOut.length)).toBeLessThan(0.25);
  });

  it('puts words in the order of one rater', () => {
    // A few terms are in the lexicon twice.
    const words = [...new Map(terms.map((rated) => [rated.term, rated])).values()];
    const byTerm = new Map(words.map(({ term, ratings }) => [term, ratings]));
    for (const { completions, scores } of rankings(words, UNSEEN, 50, 2)) {
      const raters = UNSEEN.map((rater) =>
        completions.every((term, i) => byTerm.get(term)![rater] === scores[i]),
      );
      expect(raters).toContain(true);
    }
  });

  it('knows its ceilings: certain where all agree, chance where ratings are noise', () => {
    const agreed = [-2, 0, 3].map((rating) => ({ term: `${rating}`, ratings: new Array(10).fill(rating) }));
    expect(ceilings(agreed, 2000, 1)).toMatchObject({
      ties: expect.closeTo(1 / 3, 1),
      oneOther: 1,
      eightOthers: 1,
    });
    const noise = Array.from({ length: 300 }, (_, i) => ({
      term: `${i}`,
      ratings: Array.from({ length: 10 }, (_, r) => (((i + 1) * 7919 * (r + 3)) % 101) % 9),
    }));
    const { oneOther, eightOthers } = ceilings(noise, 20_000, 1);
    expect(Math.abs(oneOther - 0.5)).toBeLessThan(0.04);
    expect(Math.abs(eightOthers - 0.5)).toBeLessThan(0.08);
    const people = ceilings(terms, 50_000, 1);
    expect(people.eightOthers).toBeGreaterThan(people.oneOther + 0.03);
    expect(people.eightOthers).toBeLessThan(0.9);
  });

  it('trains a reward model from a base model without a template, that tells words it has seen apart', async () => {
    const [base, out] = [join(temporaryFolder(), 'base'), join(temporaryFolder(), 'judge')];
    const words = splitWords(terms, 0.2, 1).train.slice(0, 60);
    const tokenizer = await Tokenizer.train([words.map(({ term }) => term).join(' ')], { vocabSize: 400 });
    tokenizer.save(base);
    const gpt = new Gpt(presetConfig('tiny', { vocabSize: tokenizer.vocabSize, contextLength: 64 }), {
      seed: 1,
    });
    await saveModel(base, gpt, { tokenizer: base });
    gpt.dispose();
    const data = jsonl(temporaryFolder(), 'train.jsonl', rankings(words, TRAINED, 200, 2));
    const settings = { ...rewardDefaults, onBadLine: 'skip', batchSize: 16, epochs: 3 } as const;
    await runReward({ ...settings, data, model: base, out });
    const others = jsonl(temporaryFolder(), 'others.jsonl', rankings(words, UNSEEN, 60, 3));
    const metrics = await preferenceAccuracy(out, others, {
      dtype: 'f32',
      onBadLine: 'skip',
      console: { note: () => {}, warn: () => {} },
    });
    // As these people judge these words anew; no better than they can be foretold.
    expect(metrics.accuracy).toBeGreaterThan(0.65);
    expect(metrics.accuracy!).toBeLessThan(ceilings(words, 50_000, 1).eightOthers + 0.05);
  });
});
