/** Reward models, and the errors for those that do not fit the policy. */
import { describe, expect, it } from 'vitest';
import { saveScoringModel } from '../../src/checkpoint/gpt-folder.ts';
import { presetConfig } from '../../src/nn/presets.ts';
import { ScoringModel } from '../../src/nn/scoring-model.ts';
import { RewardModelSource } from '../../src/scoring/reward-model.ts';
import { Tokenizer } from '../../src/text/tokenizer.ts';
import { chatTokenizer } from '../helpers/chat-model.ts';
import { temporaryFolder } from '../helpers/cli.ts';
import { randomIntegers } from '../helpers/reference.ts';
import { tinyScorer } from '../train/rl/world.ts';

const answer = (tokens: Int32Array) => ({ id: '1', tokens, prompt: 'p', response: 'r', row: {} });

describe('a reward model', () => {
  it('R17: scores each answer at its last token, whatever its batch', async () => {
    const source = new RewardModelSource(tinyScorer());
    const answers = [5, 1, 30, 8].map((length, i) => answer(randomIntegers(length, i, 60)));
    const together = await source.score(answers);
    for (const [i, one] of answers.entries()) expect((await source.score([one]))[0]).toBe(together[i]);
    expect(new Set(together).size).toBe(4);
  });

  async function folderOf(tokenizer: Tokenizer): Promise<string> {
    const folder = temporaryFolder();
    tokenizer.save(folder);
    const model = new ScoringModel(presetConfig('tiny', { vocabSize: tokenizer.vocabSize }));
    await saveScoringModel(folder, model, { tokenizer: folder });
    return folder;
  }

  it('with another tokenizer than the policy, or too short a context, is refused with the reason', async () => {
    const tokenizer = await chatTokenizer();
    const other = await Tokenizer.train(['entirely other text'.repeat(9)], {
      vocabSize: tokenizer.vocabSize,
    });
    const folder = await folderOf(other);
    expect(() => RewardModelSource.load(folder, tokenizer, 8, { dtype: 'f32' })).toThrow(
      /another tokenizer than the policy, so it would read a different text/,
    );
    const fitting = await folderOf(tokenizer);
    expect(() => RewardModelSource.load(fitting, tokenizer, 65, { dtype: 'f32' })).toThrow(
      /can have 65 tokens, but the context .* is 64/,
    );
    RewardModelSource.load(fitting, tokenizer, 64, { dtype: 'f32' }).dispose();
  });
});
