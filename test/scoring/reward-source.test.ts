/** Reward models and reward functions, and what is said when they cannot do their part. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { saveScoringModel } from '../../src/checkpoint/gpt-folder.ts';
import { presetConfig } from '../../src/nn/presets.ts';
import { ScoringModel } from '../../src/nn/scoring-model.ts';
import { RewardFunctionSource, RewardModelSource } from '../../src/scoring/reward-source.ts';
import { Tokenizer } from '../../src/text/tokenizer.ts';
import { chatTokenizer } from '../helpers/chat-model.ts';
import { temporaryFolder } from '../helpers/cli.ts';
import { randomIntegers } from '../helpers/reference.ts';
import { tinyScorer } from '../train/rl/world.ts';

const answer = (tokens: Int32Array, prompt = 'p', response = 'r') => ({
  tokens,
  prompt,
  response,
  row: { answer: 4 },
});

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
      /another tokenizer than the policy, so it would read other text than was written/,
    );
    const fitting = await folderOf(tokenizer);
    expect(() => RewardModelSource.load(fitting, tokenizer, 65, { dtype: 'f32' })).toThrow(
      /can be 65 tokens .* reads 64/,
    );
    RewardModelSource.load(fitting, tokenizer, 64, { dtype: 'f32' }).dispose();
  });
});

describe('a reward function', () => {
  async function load(source: string, name = 'reward.mjs'): Promise<RewardFunctionSource> {
    const file = join(temporaryFolder(), name);
    writeFileSync(file, source);
    return RewardFunctionSource.load(file);
  }
  const scoreOf = async (source: string) => [
    ...(await (await load(source)).score([answer(Int32Array.of(1), '2+2', 'four')])),
  ];

  it.each([
    [
      'a default export',
      'export default (prompt, response, row) => prompt.length + response.length + row.answer',
    ],
    ['a named one', 'export const reward = () => 11'],
    ['an asynchronous one', 'export default async () => { await null; return 11; }'],
  ])('is %s', async (_, source) => {
    expect(await scoreOf(source)).toEqual([11]);
  });

  it('is asked about every answer at once, and answers stay in order', async () => {
    const slow = await load(
      'export default (prompt) => new Promise((done) => setTimeout(() => done(Number(prompt)), 30 - 10 * prompt))',
    );
    const answers = [0, 1, 2].map((i) => answer(Int32Array.of(1), String(i)));
    expect([...(await slow.score(answers))]).toEqual([0, 1, 2]);
  });

  it.each([
    ['no function', 'export default 3', /reward\.mjs exports no reward function/],
    ['no export', 'const reward = () => 1', /exports no reward function/],
    ['a syntax error', 'export default ((', /reward\.mjs does not load: /],
    [
      'an import that is not there',
      "import 'no-such-package'; export default () => 1",
      /does not load: .*no-such-package/,
    ],
    ['a throw while loading', 'throw "at once"', /does not load: at once/],
  ])('that has %s is refused', async (_, source, message) => {
    await expect(load(source)).rejects.toMatchObject({
      code: 'ERR_CONFIG',
      message: expect.stringMatching(message),
    });
  });

  it.each([
    ['throws', 'export default () => { throw new Error("no key") }', /threw on the response "four": no key/],
    ['rejects', 'export default async () => { throw "no key" }', /threw on the response "four": no key/],
    ['returns NaN', 'export default () => NaN', /returned NaN for the response "four", not a finite number/],
    ['returns nothing', 'export default () => {}', /returned undefined/],
    ['returns a text', 'export default () => "1"', /returned 1 for .*, not a finite number/],
  ])('that %s ends the run and says on what', async (_, source, message) => {
    await expect(scoreOf(source)).rejects.toMatchObject({
      code: 'ERR_CONFIG',
      message: expect.stringMatching(message),
    });
  });

  it('in no file is missing', async () => {
    await expect(RewardFunctionSource.load('/nowhere/reward.mjs')).rejects.toMatchObject({
      code: 'ERR_FILE_MISSING',
    });
  });
});
