/** Checks with classifiers: what is read when, what waits for it, and what fails closed. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { SafetyChecks } from '../../src/safety/checks.ts';
import type { ClassifierQuestion } from '../../src/safety/classifier-messages.ts';
import { SafetyPolicy } from '../../src/safety/policy.ts';
import { suiteFolder } from '../helpers/cli.ts';

const folder = suiteFolder();
writeFileSync(join(folder, 'classifier.json'), JSON.stringify({ reads: 'text', threshold: 0.5 }));

function policyOf(classifier: object = {}, others: object = {}): SafetyPolicy {
  const file = join(folder, 'policy.json');
  const made = { classifier: { model: folder }, ...classifier };
  writeFileSync(file, JSON.stringify({ check_every: 3, categories: { made }, ...others }));
  return SafetyPolicy.read(file);
}

/** A source that says how often "bad" is in a text, as tenths, when it is let. */
class Source {
  readonly asked: string[] = [];
  #let: (() => void)[] = [];
  holds = false;
  error: Error | undefined;

  async score(questions: readonly ClassifierQuestion[]): Promise<number[]> {
    const texts = questions.map(({ input }) =>
      'text' in input ? input.text : input.messages.at(-1)!.content,
    );
    this.asked.push(...texts);
    if (this.holds) await new Promise<void>((resolve) => this.#let.push(resolve));
    if (this.error) throw this.error;
    return texts.map((text) => Math.min(1, 0.1 + 0.3 * text.split('bad').length));
  }

  let(): Promise<void> {
    for (const one of this.#let.splice(0)) one();
    return new Promise((resolve) => setImmediate(resolve));
  }

  async close(): Promise<void> {}
}

const settled = () => new Promise((resolve) => setImmediate(resolve));
const user = (content: string) => ({ role: 'user', content });

describe('prompts', () => {
  it('each message of the user and the whole are read, and the highest probability counts', async () => {
    const source = new Source();
    const checks = new SafetyChecks(policyOf(), source);
    const messages = [user('one bad'), { role: 'assistant', content: 'two' }, user('three')];
    const verdict = await checks.checkPrompt(messages);
    expect(source.asked).toEqual(['one bad', 'three', 'one bad\n\ntwo\n\nthree']);
    expect(verdict).toMatchObject({ harmful: true, refused: true });
    expect(verdict.findings).toEqual([
      { category: 'made', kind: 'classifier', on: 'prompt', value: expect.closeTo(0.7), threshold: 0.5 },
    ]);
    expect(await checks.checkPrompt([user('fine')])).toEqual({
      harmful: false,
      refused: false,
      findings: [],
    });
  });

  it('calls of functions in earlier turns count', async () => {
    const checks = new SafetyChecks(policyOf({ classifier: undefined, words: ['blorp'] }));
    const call = { type: 'function', function: { name: 'look', arguments: { for: 'blorp' } } };
    const turn = { role: 'assistant', content: '', fields: { tool_calls: [call] } };
    expect((await checks.checkPrompt([user('a'), turn])).refused).toBe(true);
    expect((await checks.checkPrompt([user('a')])).refused).toBe(false);
  });

  it('are read with the functions that the model may call, by classifiers of texts and of dialogues', async () => {
    const source = new Source();
    const checks = new SafetyChecks(policyOf(), source);
    const others = ['finds bad things'];
    expect(await checks.checkPrompt([user('fine')], { others })).toMatchObject({ harmful: true });
    expect(source.asked).toEqual(['fine', 'finds bad things', 'fine\n\nfinds bad things']);
    writeFileSync(join(folder, 'classifier.json'), JSON.stringify({ reads: 'messages', threshold: 0.5 }));
    const dialogues = new SafetyChecks(policyOf(), source);
    writeFileSync(join(folder, 'classifier.json'), JSON.stringify({ reads: 'text', threshold: 0.5 }));
    expect(await dialogues.checkPrompt([user('fine')], { others })).toMatchObject({ harmful: true });
    expect(source.asked.slice(3)).toEqual(['fine', 'finds bad things']);
  });

  it('are not read by what looks at answers', async () => {
    const source = new Source();
    const checks = new SafetyChecks(policyOf({ on: 'response' }), source);
    expect(await checks.checkPrompt([user('bad')])).toEqual({ harmful: null, refused: false, findings: [] });
    expect(source.asked).toEqual([]);
  });

  it('fail when there is no answer of a classifier', async () => {
    const source = new Source();
    source.error = new Error('gone');
    await expect(new SafetyChecks(policyOf(), source).checkPrompt([user('a')])).rejects.toThrow('gone');
  });
});

describe('answers', () => {
  it('are read every few tokens and at the end, and text waits for it', async () => {
    const source = new Source();
    const check = new SafetyChecks(policyOf(), source).response([user('x')]);
    const released: number[] = [];
    for (const piece of ['a ', 'b ', 'c ', 'd ', 'e ', 'f ', 'g']) {
      check.push(piece);
      released.push(check.released);
      await settled();
    }
    check.end();
    expect(check.isDone).toBe(false);
    await settled();
    expect(source.asked).toEqual(['a b c ', 'a b c d e f ', 'a b c d e f g']);
    expect(released).toEqual([0, 0, 0, 6, 6, 6, 12]);
    expect([check.released, check.isDone, check.isCut]).toEqual([13, true, false]);
  });

  it('are cut by what is found, and what was not read is never free', async () => {
    const source = new Source();
    const check = new SafetyChecks(policyOf(), source).response([user('x')]);
    let told = 0;
    check.onProgress = () => ++told;
    for (const piece of ['a ', 'b ', 'c ', 'bad ', 'e ']) {
      check.push(piece);
      await settled();
    }
    expect(check.released).toBe(6);
    check.push('f ');
    await settled();
    expect([check.isCut, check.released, told]).toEqual([true, 6, 2]);
    expect(check.verdict()).toMatchObject({ harmful: true, refused: true });
  });

  it('have one reading at a time, however fast the model writes', async () => {
    const source = new Source();
    source.holds = true;
    const check = new SafetyChecks(policyOf(), source).response([user('x')]);
    for (let i = 0; i < 10; ++i) check.push('a ');
    check.end();
    expect([source.asked.length, check.released]).toEqual([1, 0]);
    await source.let();
    expect([source.asked.length, check.released]).toEqual([2, 6]);
    await source.let();
    expect([check.isDone, check.released]).toEqual([true, 20]);
  });

  it('are not held back by a classifier that only notes', async () => {
    const source = new Source();
    source.holds = true;
    const check = new SafetyChecks(policyOf({ action: 'flag' }), source).response([user('x')]);
    check.push('bad text');
    expect(check.released).toBe(8);
    check.end();
    expect(check.isDone).toBe(false);
    await source.let();
    expect([check.isDone, check.isCut, check.verdict().harmful]).toEqual([true, false, true]);
  });

  it('fail when there is no answer of a classifier', async () => {
    const source = new Source();
    source.error = new Error('gone');
    const check = new SafetyChecks(policyOf(), source).response([user('x')]);
    let seen: Error | undefined;
    check.onProgress = (error) => {
      seen = error;
    };
    check.push('a');
    check.end();
    await settled();
    expect([seen?.message, check.released, check.isDone]).toEqual(['gone', 0, false]);
  });
});

it('a classifier of refusals reads whole answers, and says nothing of harm', async () => {
  const source = new Source();
  const others = { refusal_classifier: { model: folder, threshold: 0.6 } };
  const listed = { classifier: undefined, words: ['blorp'] };
  const checks = new SafetyChecks(policyOf(listed, others), source);
  const check = checks.response([user('x')]);
  for (const piece of ['too ', 'bad ', 'for ', 'this']) {
    check.push(piece);
    expect(check.released).toBeGreaterThan(0);
  }
  expect(source.asked).toEqual([]);
  check.end();
  expect(check.isDone).toBe(false);
  await settled();
  expect([source.asked, check.isDone, check.isCut]).toEqual([['too bad for this'], true, false]);
  expect(check.verdict()).toEqual({
    ...{ harmful: false, refused: false },
    findings: [
      {
        ...{ category: 'refusals', kind: 'refusal_classifier', on: 'response' },
        ...{ value: expect.closeTo(0.7), threshold: 0.6 },
      },
    ],
  });
  expect((await checks.moderate(['bad'])).map(({ flagged }) => flagged)).toEqual([false]);
});

it('moderation gives the probability of a classifier, and 1 for what is on a list', async () => {
  const checks = new SafetyChecks(policyOf({ words: ['blorp'], on: 'prompt' }), new Source());
  const [one, two] = await checks.moderate(['fine', 'blorp']);
  expect(one).toEqual({ flagged: false, categories: { made: false }, scores: { made: expect.closeTo(0.4) } });
  expect(two).toEqual({ flagged: true, categories: { made: true }, scores: { made: 1 } });
});
