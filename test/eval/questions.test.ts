import { beforeAll, describe, expect, it } from 'vitest';
import { folderAnswers, questionAccuracy } from '../../src/eval/questions.ts';
import { writeChatModel } from '../helpers/chat-model.ts';
import { suiteFolder, temporaryFolder } from '../helpers/cli.ts';
import { notebook } from '../helpers/notes.ts';
import { jsonl } from '../helpers/stages.ts';

const prompts = ['Name a colour.', 'Another one?', 'Hello!', 'Be brief.'];
const options = {
  dtype: 'f32',
  onBadLine: 'skip',
  maxTokens: 12,
  temperature: 0,
  batchSize: 3,
  seed: 0,
} as const;

const folder = suiteFolder();
let answers: string[];
beforeAll(async () => {
  (await writeChatModel(folder, { initializerRange: 0.3 })).dispose();
  const dialogues = prompts.map((content) => [{ role: 'user', content }]);
  answers = await folderAnswers(folder, dialogues, { ...options, ...notebook() });
  expect(answers.every((answer) => /[a-z]/i.test(answer))).toBe(true);
});

describe('the accuracy on questions', () => {
  it('is 1 where the rows hold the answers of the model, and falls with each that they do not', async () => {
    const completions = answers.map((answer, i) => (i === 2 ? 'something else' : answer));
    const rows = prompts.map((prompt, i) => ({ prompt, completion: completions[i]! }));
    const file = jsonl(temporaryFolder(), 'questions.jsonl', rows);
    const { console, notes } = notebook();
    const metrics = await questionAccuracy(folder, file, { ...options, console });
    expect(metrics).toMatchObject({ accuracy: 0.75, exact_match: 0.75, questions: 4 });
    expect(metrics.accuracy_low).toBeLessThan(0.75);
    expect(metrics.accuracy_high).toBeGreaterThan(0.75);
    expect(notes).toEqual([]);
  });

  it('is the same for rows of the packaged run, whose answer is called so', async () => {
    const rows = prompts.map((prompt, i) => ({ prompt, country: 'Jersey', answer: answers[i]! }));
    const file = jsonl(temporaryFolder(), 'held-out-facts.jsonl', rows);
    const metrics = await questionAccuracy(folder, file, { ...options, ...notebook() });
    expect(metrics).toMatchObject({ accuracy: 1, questions: 4 });
  });

  it('counts an answer that says more as right, but not as exact', async () => {
    const word = /[\p{L}\p{N}]+/u.exec(answers[0]!)![0];
    const rows = [{ prompt: prompts[0], completion: word }];
    const file = jsonl(temporaryFolder(), 'questions.jsonl', rows);
    const metrics = await questionAccuracy(folder, file, { ...options, ...notebook() });
    const isExact = answers[0]!.trim() === word;
    expect(metrics).toMatchObject({ accuracy: 1, exact_match: isExact ? 1 : 0, questions: 1 });
  });

  it('tells the console of rows that were left out', async () => {
    const rows = [{ prompt: prompts[0], completion: answers[0] }, { prompt: 'no answer' }];
    const file = jsonl(temporaryFolder(), 'questions.jsonl', rows);
    const { console, notes } = notebook();
    expect(await questionAccuracy(folder, file, { ...options, console })).toMatchObject({ questions: 1 });
    expect(notes).toHaveLength(1);
    expect(notes[0]).toMatch(/left out 1 row \(bad row 1\); .*questions\.jsonl:2/);
  });
});
