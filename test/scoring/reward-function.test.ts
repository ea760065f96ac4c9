/** Reward functions of users, and the errors for those that fail. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { RewardFileSource, RewardFunctionSource } from '../../src/scoring/reward-function.ts';
import { temporaryFolder } from '../helpers/cli.ts';

const answer = (tokens: Int32Array, prompt = 'p', response = 'r') => ({
  id: 'prompts.jsonl:7',
  tokens,
  prompt,
  response,
  row: { answer: 4 },
});

describe('a reward function', () => {
  async function load(source: string, timeout = 20, loading = 60): Promise<RewardFileSource> {
    const file = join(temporaryFolder(), 'reward.mjs');
    writeFileSync(file, source);
    const loaded = await RewardFileSource.load(file, { seconds: timeout }, loading);
    onTestFinished(() => loaded.dispose());
    return loaded;
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
    [
      'throws',
      'export default () => { throw new Error("no key") }',
      /reward\.mjs threw "no key" for the response "four" to prompts\.jsonl:7/,
    ],
    ['rejects', 'export default async () => { throw "no key" }', /threw "no key" for the response "four"/],
    ['throws nothing', 'export default () => { throw undefined }', /threw "undefined" for/],
    ['returns NaN', 'export default () => NaN', /returned NaN, not a finite number, for the response "four"/],
    [
      'returns a bare object',
      'export default () => Object.create(null)',
      /returned \[Object: null prototype\] {}, not/,
    ],
    [
      'changes the folder',
      'export default () => process.chdir("/")',
      /threw "process.chdir\(\) is not supported/,
    ],
    ['exits', 'export default () => process.exit(0)', /reward\.mjs ended its thread/],
    [
      'has a stray rejection',
      'export default () => { Promise.reject("lost"); return new Promise(() => {}); }',
      /failed outside of a call: .*lost/s,
    ],
    [
      'has a timer that throws',
      'export default () => new Promise(() => setTimeout(() => { throw new Error("late") }))',
      /failed outside of a call: late/,
    ],
    ['returns nothing', 'export default () => {}', /returned undefined/],
    [
      'returns more than f32 holds',
      'export default () => 1e39',
      /returned 1e\+39, which 32 bits cannot hold,/,
    ],
    [
      'throws an error without a readable message',
      'export default () => { throw Object.defineProperty(new Error(), "message", { get() { throw 1; } }); }',
      /threw "an error that cannot be shown" for the response "four" to prompts\.jsonl:7/,
    ],
    ['returns a text', 'export default () => "1"', /returned '1', not a finite number/],
  ])('that %s ends the run and says on what', async (_, source, message) => {
    await expect(scoreOf(source)).rejects.toMatchObject({
      code: 'ERR_CONFIG',
      message: expect.stringMatching(message),
    });
  });

  it.each([
    [
      'never settles',
      'export default (prompt) => prompt === "1" ? new Promise(() => {}) : 3',
      /within 0\.5 seconds for the response "r1"/,
    ],
    [
      'loops',
      'export default (prompt) => { while (prompt === "1"); return 3; }',
      /within 0\.5 seconds for the response "r1"/,
    ],
    [
      'loops after waiting',
      'export default async (prompt) => { await null; while (prompt === "0"); }',
      /within 0\.5 seconds for the response "r0"/,
    ],
  ])('that %s ends the run when its time is over', async (_, source, message) => {
    const answers = ['0', '1', '2'].map((prompt) => answer(Int32Array.of(1), prompt, `r${prompt}`));
    const loaded = await load(source, 0.5);
    await expect(loaded.score(answers)).rejects.toMatchObject({
      code: 'ERR_CONFIG',
      message: expect.stringMatching(message),
    });
  });

  it('that loops while it loads is refused', async () => {
    await expect(load('while (true);', 20, 0.5)).rejects.toThrow(
      /reward\.mjs did not load within 0\.5 seconds/,
    );
  });

  it('may take its time for many answers, but not for one', async () => {
    const slow = await load(
      'let last = 0; export default () => (last = Promise.resolve(last).then(() => new Promise((done) => setTimeout(done, 300, 1))))',
      1.5,
    );
    const answers = Array.from({ length: 6 }, () => answer(Int32Array.of(1)));
    expect([...(await slow.score(answers))]).toEqual([1, 1, 1, 1, 1, 1]);
  });

  it('of the program runs in its thread, and ends the run when it never settles', async () => {
    const seen: string[] = [];
    const kept = new RewardFunctionSource((prompt) => seen.push(prompt), { seconds: 1 });
    expect([...(await kept.score([answer(Int32Array.of(1), 'a'), answer(Int32Array.of(1), 'b')]))]).toEqual([
      1, 2,
    ]);
    expect(seen).toEqual(['a', 'b']);
    const never = new RewardFunctionSource(() => new Promise(() => {}), { seconds: 0.1 });
    await expect(never.score([answer(Int32Array.of(1))])).rejects.toThrow(
      '`rewardFn` gave no reward within 0.1 seconds for the response "r" to prompts.jsonl:7',
    );
  });

  it('in no file is missing', async () => {
    await expect(RewardFileSource.load('/nowhere/reward.mjs', { seconds: 1 })).rejects.toMatchObject({
      code: 'ERR_FILE_MISSING',
    });
  });
});
