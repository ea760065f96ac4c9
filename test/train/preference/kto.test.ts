/** KTO, from rated answers to a model that gives more of the good ones, on tiny models. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { loadModel } from '../../../src/checkpoint/gpt-folder.ts';
import { readRatings } from '../../../src/data/rows/ratings.ts';
import { type RatingData, ratingData } from '../../../src/scoring/encoded-ratings.ts';
import { responseLogProbs } from '../../../src/scoring/response-log-probs.ts';
import type { ResponseSequence } from '../../../src/scoring/sequences.ts';
import { ChatTemplate } from '../../../src/text/chat-template.ts';
import { Tokenizer } from '../../../src/text/tokenizer.ts';
import type { KtoSettings } from '../../../src/train/preference/settings.ts';
import { writeChatModel } from '../../helpers/chat-model.ts';
import { temporaryFolder } from '../../helpers/cli.ts';
import { jsonl, ktoDefaults, logged, runKto } from '../../helpers/stages.ts';

const CONTEXT = 64;
let folder: string;
let model: string;
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'athanor-kto-'));
  model = join(folder, 'model');
  (await writeChatModel(model, { contextLength: CONTEXT })).dispose();
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const ratings = (count: number) =>
  Array.from({ length: count }, (_, i) => {
    const label = i % 2 === 0;
    return { prompt: `Name a colour. ${i}`, completion: label ? 'Blue.' : 'Hello!', label };
  });

async function run(settings: Partial<KtoSettings> = {}, rows: readonly object[] = ratings(24)) {
  const out = join(temporaryFolder(), 'run');
  const data = jsonl(temporaryFolder(), 'ratings.jsonl', rows);
  const report = await runKto({ ...ktoDefaults, data, model, out, steps: 4, ...settings });
  return { out, report };
}

async function encoded(rows: readonly object[], validationSplit = 0): Promise<RatingData> {
  const data = jsonl(temporaryFolder(), 'ratings.jsonl', rows);
  const settings = { data, seed: ktoDefaults.seed, validationSplit, onBadLine: 'fail' } as const;
  return ratingData(settings, ChatTemplate.of(Tokenizer.load(model)), CONTEXT);
}

const sigmoid = (x: number) => 1 / (1 + Math.exp(-x));

it.each(['kto', 'apo-zero'] as const)(
  'before the first update nothing has moved, so every answer costs half its weight: %s',
  async (loss) => {
    for (const loraRank of [0, 4]) {
      const { out } = await run({ loss, loraRank, desirableWeight: 3 });
      // A batch has good and bad answers in a number that its loss tells.
      const good = (logged(out, 'loss')[0]! * 4 - 2) / 1;
      expect(good).toBeCloseTo(Math.round(good), 4);
      expect(logged(out, 'kl')[0]).toBe(0);
      expect(logged(out, 'reward_good')[0]).toBe(0);
    }
  },
);

it('good answers become likelier and bad ones less likely than at the start', async () => {
  const { out, report } = await run({ steps: 30, validationSplit: 0.3, lr: 3e-3 });
  expect(report.val_reward_good as number).toBeGreaterThan(0.02);
  expect(report.val_reward_bad as number).toBeLessThan(report.val_reward_good as number);
  expect(logged(out, 'loss').at(-1)!).toBeLessThan(0.5);
});

it('what is held out has the loss that its log-probabilities give', async () => {
  const given = { validationSplit: 0.3, beta: 0.4, undesirableWeight: 0.5, steps: 6, batchSize: 3 };
  const { out, report } = await run(given);
  const { validation } = await encoded(ratings(24), 0.3);
  expect(validation.length).toBeGreaterThan(3);
  const sumsOf = (from: string) => {
    const gpt = loadModel(from);
    const sum = (answer: ResponseSequence) => responseLogProbs(gpt, [answer], 1).reduce((a, b) => a + b, 0);
    const sums = validation.map(({ answer, mismatched }) => [sum(answer), sum(mismatched)] as const);
    gpt.dispose();
    return sums;
  };
  const [after, before] = [sumsOf(out), sumsOf(model)];
  let loss = 0;
  for (let i = 0; i < validation.length; i += 3) {
    const rows = [i, i + 1, i + 2].filter((row) => row < validation.length);
    const lead = (row: number, which: 0 | 1) => after[row]![which] - before[row]![which];
    const kl = Math.max(0, rows.reduce((sum, row) => sum + lead(row, 1), 0) / rows.length);
    for (const row of rows) {
      const z = 0.4 * (lead(row, 0) - kl);
      loss += validation[row]!.isGood ? 1 - sigmoid(z) : 0.5 * (1 - sigmoid(-z));
    }
  }
  expect(report.val_loss as number).toBeCloseTo(loss / validation.length, 4);
});

describe('rows', () => {
  it('each prompt is also paired with the answer to another prompt', async () => {
    const rows = [
      { prompt: 'a', completion: 'one', label: true },
      { prompt: 'a', completion: 'two', label: false },
      { prompt: 'b', completion: 'three', label: true },
      { prompt: 'a', completion: 'four', label: true },
    ];
    const { train } = await encoded(rows);
    const answerOf = ({ tokens, promptLength }: ResponseSequence) => tokens.slice(promptLength).join();
    const others = train.map(({ mismatched }) =>
      train.findIndex(({ answer }) => answerOf(answer) === answerOf(mismatched)),
    );
    expect(others).toEqual([2, 2, 3, 2]);
    const only = rows.filter(({ prompt }) => prompt === 'a');
    await expect(encoded(only)).rejects.toThrow('are to the same prompt');
  });

  it('have the forms of TRL: texts, messages, and pairs', async () => {
    const messages = { role: 'user', content: 'Hi' };
    const data = jsonl(temporaryFolder(), 'rows.jsonl', [
      { prompt: 'Hi', completion: 'Hello', label: true, paired: false },
      { prompt: [messages], completion: [{ role: 'assistant', content: 'No' }], label: 0 },
      { prompt: 'Hi', chosen: 'Hello', rejected: 'What' },
      { prompt: 'Hi', completion: 'Hello', label: 'yes' },
      { completion: 'Hello', label: true },
    ]);
    const { rows, counts } = await readRatings(data);
    expect(rows.map(({ answer, isGood }) => [answer.content, isGood])).toEqual([
      ['Hello', true],
      ['No', false],
      ['Hello', true],
      ['What', false],
    ]);
    expect(rows.every(({ prompt }) => prompt[0]!.content === 'Hi')).toBe(true);
    expect(counts.dropped).toEqual({ bad_row: 2 });
    expect(counts.describe()).toContain('"label" is a string, not true or false');
  });
});

it('takes the first rows, of a split, with new names of fields', async () => {
  const rows = [1, 2, 3].map((n) => ({ question: `Q${n}`, answer: 'A', good: n !== 2 }));
  const dataset = temporaryFolder();
  jsonl(dataset, 'train.jsonl', rows);
  jsonl(dataset, 'test.jsonl', rows.toReversed());
  const columns = ['prompt=question,completion=answer', 'label=good'];
  const given = { ...ktoDefaults, data: dataset, split: 'test', columns, limit: 2, validationSplit: 0 };
  const { train } = await ratingData(given, ChatTemplate.of(Tokenizer.load(model)), CONTEXT);
  expect(train.map(({ isGood }) => isGood)).toEqual([true, false]);
  await expect(run({ ...given, columns: [] })).rejects.toThrow('it has no prompt');
  await run({ ...given, steps: 1 });
});

it('says which weight would balance good and bad answers', async () => {
  const notes: string[] = [];
  const data = jsonl(
    temporaryFolder(),
    'ratings.jsonl',
    ratings(24).slice(0, 20).concat(ratings(9).slice(0, 9)),
  );
  const { kto } = await import('../../../src/train/preference/kto.ts');
  const onEvent = (event: { type: string; text?: string }) =>
    event.type === 'note' && notes.push(event.text!);
  const rows = { ...ktoDefaults, data, model, steps: 1, out: join(temporaryFolder(), 'run') };
  await kto({ ...rows, desirableWeight: 2 }, { onEvent });
  expect(notes).toContain(
    '15 answers are good and 14 bad; a `desirableWeight` of 0.93 to 1.24 would balance them',
  );
});
