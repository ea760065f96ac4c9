/**
 * `athanor eval` and `generate --best-of` on three models: an assistant that has learned something,
 * its start, and a reward model.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { writeChatModel } from '../helpers/chat-model.ts';
import { athanor, lastLineJson } from '../helpers/cli.ts';
import { jsonl, rewardDefaults, runReward, runSft, sftDefaults } from '../helpers/stages.ts';

let folder: string;
let start: string;
let assistant: string;
let judge: string;
let questions: string;
let prompts: string;
let comparisons: string;

const facts = { sky: 'Blue.', rose: 'Red.', grass: 'Green, of course.', snow: 'White.' };

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'athanor-eval-'));
  [start, assistant, judge] = ['start', 'assistant', 'judge'].map((name) => join(folder, name)) as [
    string,
    string,
    string,
  ];
  (await writeChatModel(start, { contextLength: 64 })).dispose();
  const rows = Object.entries(facts).map(([thing, completion]) => ({
    prompt: `Colour of ${thing}?`,
    completion,
  }));
  questions = jsonl(folder, 'questions.jsonl', rows);
  prompts = jsonl(
    folder,
    'prompts.jsonl',
    rows.map(({ prompt }) => ({ prompt })),
  );
  comparisons = jsonl(
    folder,
    'comparisons.jsonl',
    rows.flatMap(({ prompt, completion }) =>
      ['Hello!', 'eeeee', 'Be brief. x'].map((rejected) => ({ prompt, chosen: completion, rejected })),
    ),
  );
  await runSft({ ...sftDefaults, data: questions, model: start, out: assistant, steps: 120, lr: 5e-3 });
  await runReward({ ...rewardDefaults, data: comparisons, model: assistant, out: judge, epochs: 12 });
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

async function evaluate(...args: string[]): Promise<Record<string, number>> {
  const { code, stdout, stderr } = await athanor('eval', ...args, '--json');
  expect(code, stderr).toBe(0);
  return lastLineJson(stdout) as Record<string, number>;
}

describe('athanor eval', () => {
  it('counts right answers, with their interval', async () => {
    const learned = await evaluate('--model', assistant, '--questions', questions);
    expect(learned).toMatchObject({ accuracy: 1, exact_match: 1, questions: 4, accuracy_high: 1 });
    expect(learned.accuracy_low).toBeCloseTo(0.51, 2);
    const before = await evaluate('--model', start, '--questions', questions, '--max-tokens', '8');
    expect(before).toMatchObject({ accuracy: 0, exact_match: 0 });
  });

  it('counts pairs that a reward model puts in order', async () => {
    const found = await evaluate('--reward', judge, '--comparisons', comparisons);
    expect(found).toMatchObject({ accuracy: 1, pairs: 12, comparisons: 12 });
    const swapped = jsonl(folder, 'swapped.jsonl', [
      { prompt: 'Colour of sky?', chosen: 'Hello!', rejected: 'Blue.' },
      { prompt: 'Colour of sky?', chosen: 'Blue.', rejected: 'eeeee' },
      { prompt: 'Colour of sky?', chosen: 'x' },
    ]);
    const half = await athanor('eval', '--reward', judge, '--comparisons', swapped, '--json');
    expect(lastLineJson(half.stdout)).toMatchObject({ accuracy: 0.5, pairs: 2 });
    expect(half.stderr).toMatch(/left out 1 row \(bad row 1\); .*swapped\.jsonl:3/);
  });

  it('says which of two models wins, by right answers and by a reward model', async () => {
    const common = ['--max-tokens', '8', '--model', assistant];
    const byAnswers = await evaluate(...common, '--against', start, '--questions', questions);
    expect(byAnswers).toMatchObject({ win_rate: 0.875, wins: 3, ties: 1, losses: 0, against_accuracy: 0 });
    const byReward = await evaluate(...common, '--against', start, '--prompts', prompts, '--reward', judge);
    expect(byReward.win_rate).toBe(1);
    expect(byReward.reward! - byReward.against_reward!).toBeGreaterThan(1);
    const itself = await evaluate(...common, '--against', assistant, '--prompts', prompts, '--reward', judge);
    expect(itself).toMatchObject({ win_rate: 0.5, win_rate_low: 0.5, win_rate_high: 0.5, ties: 4 });
  });

  it('tells what it could measure, and what does not fit together', async () => {
    const nothing = await athanor('eval', '--model', assistant);
    expect(nothing.code).toBe(2);
    expect(nothing.stderr).toMatch(/eval has no measure for --model \[ERR_OPTION\]/);
    const noReward = await athanor('eval', '--reward', assistant, '--comparisons', comparisons);
    expect(noReward.stderr).toMatch(
      /is a language model, not a reward model.*\n.*train one with athanor reward/,
    );
  });
});

describe('athanor generate --best-of', () => {
  const generate = (...args: string[]) => athanor('generate', 'Colour of sky?', '--model', start, ...args);
  const chat = ['--chat', '--reward'];

  it('gives the answer that the reward model scores highest', async () => {
    const { code, stdout, stderr } = await generate(
      ...[...chat, judge, '--best-of', '6', '--max-tokens', '12', '--samples', '2', '--json'],
    );
    expect(code, stderr).toBe(0);
    const completions = lastLineJson(stdout).completions as {
      reward: number;
      rewards: number[];
      finish: string;
    }[];
    expect(completions).toHaveLength(2);
    for (const { reward, rewards, finish } of completions) {
      expect(rewards).toHaveLength(6);
      expect(rewards).toContain(reward);
      if (finish === 'length') expect(reward).toBe(Math.max(...rewards));
    }
    expect(completions[0]!.rewards).not.toEqual(completions[1]!.rewards);
  });

  it.each([
    [['--best-of', '2', '--chat'], /--best-of needs a reward model/],
    [['--reward', 'x', '--chat'], /--reward chooses among several answers/],
    [['--best-of', '2', '--reward', 'x'], /give --chat/],
    [
      ['--best-of', '2', '--reward', 'x', '--chat', '--temperature', '0'],
      /all answers to a prompt are the same/,
    ],
    [['--best-of', '2', '--reward', 'x', '--chat', '--stop', 'y'], /takes no --stop/],
  ])('is refused with %j', async (args, message) => {
    const { code, stderr } = await generate(...args);
    expect(code).toBe(2);
    expect(stderr).toMatch(message);
  });
});
