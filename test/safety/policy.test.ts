/** A policy file is read whole, and the first thing that is wrong in it is named with its place. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { SafetyPolicy } from '../../src/safety/policy.ts';
import { suiteFolder } from '../helpers/cli.ts';

const folder = suiteFolder();

function write(name: string, text: string): string {
  const path = join(folder, name);
  writeFileSync(path, text);
  return path;
}

const read = (text: string, name = 'policy.yaml') => SafetyPolicy.read(write(name, text));

const FULL = `
refusal: Not here.
refusal_phrases: [I cannot, I won't]
check_every: 8
accents: ignore
categories:
  harassment/threatening:
    on: [prompt]
    action: flag
    words: blorp            # one word may stand without a list
    word_files: lists/more.txt
    patterns: ['fle+n\\d']
    classifier: { model: classifiers/one, threshold: 0.75 }
  other:
    words: [zanfle, "zorb the blat"]
`;

describe('a policy', () => {
  mkdirSync(join(folder, 'lists'));
  write('lists/more.txt', '# a comment\nquib\r\n\n  grundle  \n');

  it('has categories, lists, patterns and classifiers; paths are relative to it', () => {
    const policy = read(FULL);
    expect(policy).toMatchObject({ refusal: 'Not here.', checkEvery: 8 });
    expect(policy.categories).toEqual([
      {
        ...{ name: 'harassment/threatening', on: ['prompt'], action: 'flag', hasLists: true },
        classifier: { model: join(folder, 'classifiers/one'), threshold: 0.75 },
      },
      { name: 'other', on: ['prompt', 'response'], action: 'refuse', classifier: undefined, hasLists: true },
    ]);
    expect(policy.words.size).toBe(2 + 3 + 2);
    expect(policy.patterns.patterns).toHaveLength(1);
  });

  it('may be JSON, and has the same defaults', () => {
    const policy = read('{"categories": {"one": {"words": ["blorp"]}}}', 'policy.json');
    expect(policy).toMatchObject({ refusal: 'I cannot help with that.', checkEvery: 32 });
    expect(policy.checks('prompt') && policy.checks('response')).toBe(true);
  });

  it('has a hash that changes with its lists', () => {
    const text = 'categories: { a: { word_files: lists/more.txt } }';
    const before = read(text).hash;
    expect(read(text).hash).toBe(before);
    write('lists/more.txt', 'quib\nother\n');
    expect(read(text).hash).not.toBe(before);
  });
});

describe('what is wrong', () => {
  const one = (lines: string) => `categories:\n  one:\n${lines.replace(/^/gm, '    ')}\n`;
  const cases: [string, string, RegExp][] = [
    ['an unknown key', 'categorys: {}', /line 1: "categorys": there is no such key.*/],
    ['no categories', 'refusal: no', /line 1: it has no "categories"/],
    ['an empty map', 'categories: {}', /line 1: "categories": there is no category/],
    ['a list of categories', 'categories: [a]', /line 1: "categories": expected a map but got a list/],
    ['an empty category', one('on: prompt'), /line 3: "categories\.one": it checks nothing/],
    [
      'an unknown side',
      one('words: a\non: [answer]'),
      /line 4: "categories\.one\.on\[0\]": expected prompt or response/,
    ],
    [
      'an unknown action',
      one('words: a\naction: stop'),
      /line 4: "categories\.one\.action": expected refuse or flag/,
    ],
    [
      'a number as a word',
      one('words:\n  - 5'),
      /line 4: "categories\.one\.words\[0\]": expected a text but got 5/,
    ],
    ['a word of nothing', one('words: ["\\u200b"]'), /line 3: .*has no character that is compared/],
    [
      'a missing list',
      one('word_files: none.txt'),
      /line 3: "categories\.one\.word_files": .*none\.txt does not exist/,
    ],
    [
      'a threshold above 1',
      one('classifier: { model: a, threshold: 2 }'),
      /line 3: "categories\.one\.classifier\.threshold": expected a number from 0 to 1/,
    ],
    [
      'no model',
      one('classifier: { threshold: 1 }'),
      /line 3: "categories\.one\.classifier": it has no "model"/,
    ],
    [
      'half a token',
      'check_every: 0.5\ncategories: { a: { words: a } }',
      /line 1: "check_every": expected a whole number/,
    ],
    ['broken YAML', 'categories:\n  a: [', /line 2: /],
    ['an alias', 'refusal: &a x\nrefusal_phrases: [*a]\ncategories: {}', /it has the alias \*a/],
    ['a key given twice', 'categories: {}\ncategories: {}', /line 2: Map keys must be unique/],
    ['deep nesting', `categories: ${'['.repeat(5000)}`, /nested too deeply/],
    ['deep lists', `categories:\n  ${'- '.repeat(50_000)}a`, /policy\.yaml/],
  ];
  it.each(cases)('%s', (_, text, message) => {
    expect(() => read(text)).toThrow(message);
    try {
      read(text);
    } catch (error) {
      expect(error).toMatchObject({
        code: 'ERR_CONFIG',
        message: expect.stringContaining(join(folder, 'policy.yaml')),
      });
    }
  });

  it.each([
    ['(?=a)b', 'lookahead'],
    ['(?<!a)b', 'lookbehind'],
    ['(a)\\1', 'a reference to a group'],
    ['(?i)a', 'a group with flags'],
    ['(?>a)', 'an atomic group'],
    ['a++', 'possessive'],
    ['a**', 'a repetition is repeated'],
    ['a*', 'without characters'],
    ['(a', 'a ( has no )'],
    ['a)', 'a ) has no ('],
    ['[a', 'a [ has no ]'],
    ['*a', 'nothing before *'],
    ['a{3,2}', 'ends before it begins'],
    ['a{2000}', 'repeats more than 1000 times'],
    ['(?:a{999}){999}', 'too large'],
    ['\\q', '\\q is not supported'],
    ['[é]', 'another form in texts'],
    ['\\p{Nonsense}', 'no class of characters'],
    ['a\\', 'ends with \\'],
  ])('the pattern %s', (pattern, problem) => {
    const text = `categories:\n  one:\n    patterns:\n      - ${JSON.stringify(pattern)}\n`;
    expect(() => read(text)).toThrow(
      /line [34]: "categories\.one\.patterns\[0\]": the pattern ".*" cannot be used/,
    );
    expect(() => read(text)).toThrow(problem);
  });

  it('a file that is missing', () => {
    expect(() => SafetyPolicy.read(join(folder, 'none.yaml'))).toThrow(/none\.yaml/);
  });
});
