/** Reward functions of users, and the errors for those that fail. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { RewardFunctionSource } from '../../src/scoring/reward-function.ts';
import { temporaryFolder } from '../helpers/cli.ts';

const answer = (tokens: Int32Array, prompt = 'p', response = 'r') => ({
  tokens,
  prompt,
  response,
  row: { answer: 4 },
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
