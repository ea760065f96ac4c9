/**
 * The packaged task from a small made-up factbook: what each stage must not see, and what
 * the comparisons teach.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { packageRoot } from '../../../src/base/package-root.ts';
import type { Country, Factbook } from '../../../src/quickstart/factbook/facts.ts';
import { relations } from '../../../src/quickstart/factbook/relations.ts';
import { type FactbookTask, taskOf } from '../../../src/quickstart/factbook/task.ts';
import { RewardFileSource } from '../../../src/scoring/reward-function.ts';
import { temporaryFolder } from '../../helpers/cli.ts';

/** Two currencies, of which one is common; all other values are a country's own. */
const factbook: Factbook = (() => {
  const countries = Array.from({ length: 60 }, (_, i): Country => {
    const name = `Land ${letters(i)}`;
    const facts = relations.map(({ name: relation }): [string, string] => [
      relation,
      relation === 'currency' ? (i % 4 === 0 ? 'crowns' : 'euros') : `${relation} ${letters(i)}`,
    ]);
    return { name, facts: new Map(facts) };
  });
  const values = relations.map(({ name }): [string, string[]] => [
    name,
    [...new Set(countries.map(({ facts }) => facts.get(name)!))],
  ]);
  const documents = countries.map(({ name }) => ({
    id: name,
    source: 'made up',
    text: `${name} is a land.`,
  }));
  return { countries, documents, values: new Map(values) };
})();

function letters(i: number): string {
  return String.fromCharCode(65 + Math.floor(i / 26), 97 + (i % 26));
}

interface Ranking {
  prompt: string;
  completions: string[];
  ranks: number[];
  source: string;
}

const made = (seed: number): FactbookTask => taskOf(factbook, { seed, sheets: 2, heldOut: 0.2 });
const task = made(1);
const rankings = task.comparisons as unknown as Ranking[];

describe('the packaged task', () => {
  it('is the same for the same seed, and another for another', () => {
    expect(made(1)).toEqual(task);
    expect(made(2).heldOutFacts).not.toEqual(task.heldOutFacts);
  });

  it('asks no question in two splits, and holds facts out of all tuning', () => {
    const splits = [task.instructions, task.prompts, task.heldOutPhrasings, task.heldOutFacts];
    const questions = splits.flatMap((split) => [...new Set(split.map(({ question }) => question))]);
    expect(new Set(questions).size).toBe(questions.length);
    const fact = ({ country, relation }: { country: string; relation: string }) => `${country}/${relation}`;
    const tuned = new Set([...task.instructions, ...task.prompts].map(fact));
    expect(task.heldOutFacts.length).toBeGreaterThan(50);
    expect(task.heldOutFacts.filter((question) => tuned.has(fact(question)))).toEqual([]);
  });

  it('says every fact in each set of sheets, the held-out ones too', () => {
    const text = task.corpus.map((document) => document.text).join('\n');
    for (const { answer } of task.heldOutFacts) expect(text).toContain(answer);
  });

  it('ranks one right answer over the others, by a declared rule', () => {
    expect(rankings.length).toBeGreaterThan(400);
    const right = new Map(task.instructions.map(({ question, sentence }) => [question, sentence]));
    for (const { prompt, completions, ranks, source } of rankings) {
      expect(completions[0]).toBe(right.get(prompt));
      expect(ranks).toEqual([0, ...completions.slice(1).map(() => 1)]);
      expect(new Set(completions).size).toBe(completions.length);
      expect(source).toBe('rule');
    }
  });

  it('has a common value wrong about as often as a rare one, for how often it is right', () => {
    const ofCurrency = rankings.filter(({ prompt }) =>
      task.instructions.some(({ question, relation }) => question === prompt && relation === 'currency'),
    );
    const wrong = (value: string) =>
      ofCurrency
        .flatMap(({ completions }) => completions.slice(1))
        .filter((text) => text.endsWith(` ${value}.`)).length;
    // Drawn from the distinct values, "crowns" would be wrong three times as often: 3/4 of
    // questions times 1/2.
    expect(wrong('crowns') / wrong('euros')).toBeGreaterThan(0.5);
    expect(wrong('crowns') / wrong('euros')).toBeLessThan(2);
  });
});

it('has prompts on which the reward function of the guide tells right from wrong', async () => {
  const guide = readFileSync(join(packageRoot, 'docs/ppo.md'), 'utf8');
  const file = join(temporaryFolder(), 'correct.mjs');
  writeFileSync(file, /^```js\n([\s\S]*?)^```$/m.exec(guide)![1]!);
  const source = await RewardFileSource.load(file, { seconds: 20 });
  onTestFinished(() => source.dispose());
  const { prompts } = made(1);
  const answers = (responseTo: (i: number) => string) =>
    prompts.map(({ question, ...row }, i) => {
      const shown = { ...row };
      return { id: `${i}`, tokens: Int32Array.of(1), prompt: question, response: responseTo(i), row: shown };
    });
  expect(new Set(await source.score(answers((i) => prompts[i]!.sentence)))).toEqual(new Set([1]));
  expect(new Set(await source.score(answers(() => 'I am not sure.')))).toEqual(new Set([0]));
});
