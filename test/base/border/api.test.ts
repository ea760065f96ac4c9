/**
 * The border of the built package, walked over with arguments of every kind: a public function,
 * constructor or method takes them, or it throws an AthanorError. The types of the API are the
 * table of what is right.
 */
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { runInNewContext } from 'node:vm';
import { beforeEach, describe, expect, it, onTestFinished } from 'vitest';
import { packageRoot } from '../../../src/base/package-root.ts';
import * as source from '../../../src/index.ts';
import { temporaryFolder } from '../../helpers/cli.ts';

const built = (await import(pathToFileURL(join(packageRoot, 'dist/index.js')).href)) as typeof source;

const api: Readonly<Record<string, unknown>> = built;
type Callable = (...args: unknown[]) => unknown;
const callables = Object.entries(api).filter((entry): entry is [string, Callable] => {
  return typeof entry[1] === 'function';
});
const isClass = (name: string) => /^[A-Z]/.test(name);
const wrong = [undefined, null, 3, -1, 'text', '', true, {}, [], () => 1, Object.create(null)];

/** What is not an AthanorError of the calls with these arguments. */
async function rawErrors(call: Callable): Promise<unknown[]> {
  const found: unknown[] = [];
  for (const value of wrong) {
    for (const args of [[value], [value, value], [value, value, value, value]]) {
      try {
        const result = call(...args);
        if (result instanceof Promise) await result;
      } catch (error) {
        const isKnown = error instanceof built.AthanorError && error.code !== 'ERR_INTERNAL';
        if (!isKnown) found.push(error);
      }
    }
  }
  return found;
}

it('the package exports what the source exports', () => {
  expect(Object.keys(api).sort()).toEqual(Object.keys(source).sort());
});

describe('wrong arguments are refused by', () => {
  // A text may be the name of a folder that is written.
  beforeEach(() => {
    const before = process.cwd();
    process.chdir(temporaryFolder());
    onTestFinished(() => process.chdir(before));
  });

  // It takes no arguments, and fetches a package.
  const others = callables.filter(([name]) => name !== 'ratedTerms');
  it.each(others)('%s', async (name, value) => {
    const type = value as unknown as new (...args: unknown[]) => unknown;
    expect(await rawErrors(isClass(name) ? (...args) => new type(...args) : value)).toEqual([]);
  });

  const members = callables.flatMap(([name, value]) => {
    const own = Object.getOwnPropertyNames(value).filter(
      (key) => !['length', 'name', 'prototype'].includes(key),
    );
    return isClass(name) ? own.map((key) => [`${name}.${key}`, value, key] as const) : [];
  });
  it.each(members)('%s', async (_, holder, key) => {
    const member = (holder as unknown as Readonly<Record<string, unknown>>)[key];
    if (typeof member !== 'function') return;
    expect(await rawErrors((...args) => member.apply(holder, args) as unknown)).toEqual([]);
  });
});

describe('an error of the border', () => {
  const run = (options: object) => built.pretrain({ data: 'no-such-file', out: 'run', ...options });
  it.each([
    [{ steps: 3, warmup: 1 }, 'pretrain() has no setting `warmup`', 'its new name is `warmupSteps`'],
    [{ stepz: 3 }, 'pretrain() has no setting `stepz`', 'did you mean `steps`?'],
    [{ warmup_steps: 3 }, 'pretrain() has no setting `warmup_steps`', 'did you mean `warmupSteps`?'],
    [{ steps: '3' }, "`steps` of pretrain() is '3'", 'give a number'],
    [{ steps: 3, lr: Number.NaN }, '`lr` of pretrain() is NaN', 'give a number'],
    [{ dtype: 'f16' }, "`dtype` of pretrain() is 'f16'", 'give "f32", "bf16" or "auto"'],
    [{ out: undefined }, '`out` of pretrain() is missing', 'give a string'],
    [{ samplePrompt: ['a', 3] }, '`samplePrompt[1]` of pretrain() is 3', 'give a string'],
  ])('of %j says what, where and what to do', async (options, message, remedy) => {
    await expect(run(options)).rejects.toMatchObject({ code: 'ERR_ARGUMENT', message, remedy });
  });

  it('names the argument of a plain function, a constructor and a method', async () => {
    const loadModel = built.loadModel as Callable;
    expect(() => loadModel()).toThrow('`folder` of loadModel() is missing');
    const Batch = built.Batch as unknown as new () => unknown;
    expect(() => new Batch()).toThrow('`model` of new Batch() is missing');
    const Tokenizer = built.Tokenizer as unknown as new () => unknown;
    expect(() => new Tokenizer()).toThrow('the constructor of Tokenizer is not public');
    const x = built.tensor([1]);
    expect(() => (x.write as Callable).call(x, 'one')).toThrow("of Tensor.write() is 'one'");
    x.dispose();
  });
});

describe('the border leaves right calls as they are', () => {
  it('values, classes and their instances pass', () => {
    const x = built.tensor([1, 2, 3]);
    expect(x).toBeInstanceOf(built.Tensor);
    expect(built.sum(x).item()).toBe(6);
    class Own extends built.Module {}
    expect(new Own()).toBeInstanceOf(built.Module);
    x.dispose();
  });

  it('classes of the language may come from another realm', () => {
    const values = runInNewContext('Float32Array.of(1, 2)') as Float32Array;
    expect(values).not.toBeInstanceOf(Float32Array);
    const x = built.tensor(values);
    expect(built.sum(x).item()).toBe(3);
    x.dispose();
  });

  it('errors of the work itself pass', async () => {
    const missing = join(temporaryFolder(), 'none');
    expect(() => built.loadModel(missing)).toThrow(expect.objectContaining({ code: 'ERR_FILE_MISSING' }));
    expect(built.loadModel).toHaveProperty('name', 'loadModel');
  });
});
