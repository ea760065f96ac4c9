import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { saveScoringModel } from '../../src/checkpoint/gpt-folder.ts';
import { preferenceAccuracy } from '../../src/eval/preference-accuracy.ts';
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

let tokenizer: Tokenizer;
let judge: ScoringModel;
const folder = suiteFolder();
beforeAll(async () => {
  tokenizer = await chatTokenizer();
  tokenizer.save(folder);
  const shape = { vocabSize: tokenizer.vocabSize, initializerRange: 0.3 };
  judge = new ScoringModel(presetConfig('tiny', shape), { seed: 4 });
  await saveScoringModel(folder, judge, { tokenizer: folder });
});
afterAll(() => judge.dispose());

const prompt = 'Name a colour.';
const completions = ['Blue.', 'Red, then.', 'Another one?', 'Be brief.', 'Hello!'];

/** Completions in the order of the judge's scores, the best first. */
function ranked(): string[] {
  const comparison = {
    id: '',
    prompt: [{ role: 'user', content: prompt }],
    completions,
    ranks: [0, 1, 2, 3, 4],
  };
  const { answers } = encodeComparison(comparison, ChatTemplate.of(tokenizer));
  const scores = scoreAll(
    judge,
    answers.map(({ tokens }) => tokens),
  );
  expect(new Set(scores).size).toBe(completions.length);
  return completions
    .map((text, i) => ({ text, score: scores[i]! }))
    .sort((a, b) => b.score - a.score)
    .map(({ text }) => text);
}

describe('preference accuracy', () => {
  it('is the share of pairs in the order of the scores, and the console hears of bad rows', async () => {
    const [first, second, third] = ranked();
    const rows = [
      { prompt, chosen: first, rejected: second },
      { prompt, chosen: second, rejected: third },
      { prompt, chosen: first, rejected: third },
      { prompt, chosen: third, rejected: second },
      { prompt, chosen: first },
    ];
    const file = jsonl(temporaryFolder(), 'pairs.jsonl', rows);
    const { console, notes } = notebook();
    const options = { dtype: 'f32', onBadLine: 'skip', console } as const;
    const metrics = await preferenceAccuracy(folder, file, options);
    expect(metrics).toMatchObject({ accuracy: 0.75, pairs: 4, comparisons: 4 });
    expect(metrics.accuracy_low).toBeLessThan(0.75);
    expect(notes).toHaveLength(1);
    expect(notes[0]).toMatch(/left out 1 row \(bad row 1\); .*pairs\.jsonl:5/);
  });
});
