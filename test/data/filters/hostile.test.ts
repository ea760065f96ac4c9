/** Texts that are made to be slow: the time grows as the text does, not faster. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { filterDocument } from '../../../src/data/filters/filter-documents.ts';

const folder = mkdtempSync(join(tmpdir(), 'athanor-hostile-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const list = join(folder, 'list.txt');
writeFileSync(list, `${'a'.repeat(30)}b\n${'a'.repeat(29)}\naa\n--\n`);

const off = (...rules: string[]) => rules.map((rule) => `:${rule}=off`).join('');
/** Every rule measures: those that would reject the text early are off, one after another. */
const recipes = [
  ['gopher-quality', 'min-words'],
  [
    'gopher-quality',
    'min-words',
    'max-words',
    'min-mean-word-length',
    'max-mean-word-length',
    'max-hashes',
    'max-ellipses',
    'max-bullet-lines',
    'max-ellipsis-lines',
    'min-letter-words',
  ],
  [
    'gopher-repetition',
    'repeated-paragraphs',
    'repeated-paragraph-characters',
    'repeated-lines',
    'repeated-line-characters',
  ],
  ['gopher-repetition', 'top-2-gram', 'top-3-gram', 'top-4-gram', 'repeated-5-grams'],
  ['gopher-dolma'],
  ['fineweb', 'min-lines', 'min-terminated-lines', 'max-short-lines', 'max-repeated-characters'],
  ['c4', 'terminal-punctuation', 'max-word-length', 'min-line-words', 'curly-bracket'],
  ['language'],
  ['pii'],
].map(([name, ...rules]) => [`${name}${off(...rules)}`]);

const texts: Record<string, (size: number) => string> = {
  'one line of letters': (n) => 'a'.repeat(n),
  'one line of words': (n) => 'ab cd. '.repeat(n / 7),
  'punctuation alone': (n) => '.,!?-"()[]{}'.repeat(n / 12),
  'one mark': (n) => ')'.repeat(n),
  dots: (n) => '.'.repeat(n),
  'dots and letters': (n) => 'a.'.repeat(n / 2),
  'hyphens and letters': (n) => 'a-'.repeat(n / 2),
  'signs of e-mail': (n) => 'a@'.repeat(n / 2),
  'long local parts': (n) => `${'a-b.'.repeat(n / 4)}@`,
  'addresses without an end': (n) => '1.1.1.'.repeat(n / 6),
  'colons before an @': (n) => `a.b${':'.repeat(n)}@`,
  digits: (n) => '4'.repeat(n),
  'groups of digits': (n) => '4111 '.repeat(n / 5),
  'plus signs and digits': (n) => '+1234567 '.repeat(n / 9),
  NULs: (n) => '\0'.repeat(n),
  'lone surrogates': (n) => '\ud800'.repeat(n),
  'combining marks': (n) => `e${'\u0301'.repeat(n)}`,
  'empty lines': (n) => '\n'.repeat(n),
  'short lines': (n) => 'a\n'.repeat(n / 2),
  'brackets of citations': (n) => '[1'.repeat(n / 2),
  'special words': (n) => ":-)))'s".repeat(n / 7),
};

async function seconds(text: string): Promise<number> {
  const start = performance.now();
  for (const recipe of recipes) await filterDocument({ id: '1', source: 's', text }, recipe);
  await filterDocument({ id: '1', source: 's', text }, [{ name: 'word-list', rules: { file: list } }]);
  return (performance.now() - start) / 1000;
}

const SIZE = 1 << 17;

test.each(Object.entries(texts))('%s', { timeout: 120_000 }, async (_, make) => {
  // Nothing that grows with the square of the length ends within this time.
  expect(await seconds(make(SIZE))).toBeLessThan(15);
});
