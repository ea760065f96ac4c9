import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { saveModel, saveScoringModel } from '../../src/checkpoint/gpt-folder.ts';
import { folderAnswers } from '../../src/eval/questions.ts';
import { winRate } from '../../src/eval/win-rate.ts';
import { Gpt } from '../../src/nn/gpt.ts';
import { presetConfig } from '../../src/nn/presets.ts';
import { ScoringModel } from '../../src/nn/scoring-model.ts';
import { encodeComparison } from '../../src/scoring/encoded-comparisons.ts';
import { scoreAll } from '../../src/scoring/reward-model.ts';
import { ChatTemplate } from '../../src/text/chat-template.ts';
import type { Tokenizer } from '../../src/text/tokenizer.ts';
import { chatTokenizer } from '../helpers/chat-model.ts';
import { suiteFolder, temporaryFolder } from '../helpers/cli.ts';
import { notebook } from '../helpers/notes.ts';
import { jsonl } from '../helpers/stages.ts';

const prompts = ['Name a colour.', 'Another one?', 'Hello!', 'Be brief.'];
const dialogues = prompts.map((content) => [{ role: 'user', content }]);
const settings = {
  dtype: 'f32',
  onBadLine: 'skip',
  maxTokens: 12,
  temperature: 0,
  batchSize: 4,
  seed: 0,
} as const;

const root = suiteFolder();
let tokenizer: Tokenizer;
let one: string;
let other: string;
let ours: string[];
let theirs: string[];
beforeAll(async () => {
  tokenizer = await chatTokenizer();
  const written = async (seed: number) => {
    const folder = join(root, `${seed}`);
    mkdirSync(folder);
    tokenizer.save(folder);
    const shape = { vocabSize: tokenizer.vocabSize, initializerRange: 0.3 };
    const model = new Gpt(presetConfig('tiny', shape), { seed });
    await saveModel(folder, model, { tokenizer: folder });
    model.dispose();
    return folder;
  };
  [one, other] = [await written(7), await written(8)];
  ours = await folderAnswers(one, dialogues, { ...settings, ...notebook() });
  theirs = await folderAnswers(other, dialogues, { ...settings, ...notebook() });
});

describe('the win rate', () => {
  it('by right answers: a right one wins over a wrong one, and two of a kind are a tie', async () => {
    const references = [ours[0], theirs[1], ours[2], 'neither of them says this'];
    const rows = prompts.map((prompt, i) => ({ prompt, completion: references[i] }));
    const questions = jsonl(temporaryFolder(), 'questions.jsonl', rows);
    const options = { ...settings, ...notebook() };
    expect(await winRate(one, other, { questions }, options)).toMatchObject({
      ...{ win_rate: (2 + 0.5) / 4, wins: 2, losses: 1, ties: 1 },
      ...{ accuracy: 0.5, against_accuracy: 0.25 },
    });
    const same = await winRate(one, one, { questions }, options);
    expect(same).toMatchObject({ win_rate: 0.5, win_rate_low: 0.5, win_rate_high: 0.5, ties: 4 });
  });

  it('by a reward model: the higher score of prompt and answer wins', async () => {
    const reward = temporaryFolder();
    tokenizer.save(reward);
    const shape = { vocabSize: tokenizer.vocabSize, initializerRange: 0.3 };
    const judge = new ScoringModel(presetConfig('tiny', shape), { seed: 4 });
    await saveScoringModel(reward, judge, { tokenizer: reward });
    const template = ChatTemplate.of(tokenizer);
    const scores = [ours, theirs].map((answers) =>
      scoreAll(
        judge,
        dialogues.map((prompt, i) => {
          const comparison = { id: '', prompt, completions: [answers[i]!], ranks: [0] };
          return encodeComparison(comparison, template).answers[0]!.tokens;
        }),
      ),
    );
    judge.dispose();
    const wins = scores[0]!.filter((score, i) => score > scores[1]![i]!).length;
    const rows = [...prompts.map((prompt) => ({ prompt })), { text: 'no prompt' }];
    const file = jsonl(temporaryFolder(), 'prompts.jsonl', rows);
    const { console, notes } = notebook();
    const found = await winRate(one, other, { prompts: file, reward }, { ...settings, console });
    expect(found).toMatchObject({ wins, losses: 4 - wins, ties: 0, win_rate: wins / 4 });
    expect(found.reward).toBeCloseTo(scores[0]!.reduce((a, b) => a + b) / 4, 6);
    expect(found.against_reward).toBeCloseTo(scores[1]!.reduce((a, b) => a + b) / 4, 6);
    expect(notes[0]).toMatch(/left out 1 row \(bad row 1\); .*prompts\.jsonl:5/);
  });
});
