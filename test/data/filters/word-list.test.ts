import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { filterDocument } from '../../../src/data/filters/filter-documents.ts';
import { WordList } from '../../../src/data/filters/word-list.ts';

const folder = mkdtempSync(join(tmpdir(), 'athanor-words-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** C4's pattern: `(?:\W|^)(words)(?:\W|$)` over the text in lower case, with W of Unicode. */
function byPattern(words: readonly string[], text: string): boolean {
  const escaped = words.map((word) => word.toLowerCase().replace(/[\\^$.*+?()[\]{}|]/g, '\\$&'));
  const other = '[^\\p{L}\\p{N}_]';
  return new RegExp(`(?:${other}|^)(?:${escaped.join('|')})(?:${other}|$)`, 'u').test(text.toLowerCase());
}

test('finds what the pattern of C4 finds, in random texts', () => {
  let state = 1;
  const random = (n: number) => {
    state = (Math.imul(state, 1103515245) + 12345) & 0x7fffffff;
    return (state >>> 8) % n;
  };
  const text = (alphabet: string, most: number) =>
    Array.from({ length: 1 + random(most) }, () => [...alphabet][random([...alphabet].length)]).join('');
  let hits = 0;
  const wrong: string[][] = [];
  for (let i = 0; i < 500; i++) {
    const words = Array.from({ length: 1 + random(6) }, () => text('abé 漢😀-', 4).trim() || 'a');
    const document = text('aAbBé 漢.😀_-', 20);
    const found = new WordList(words, true).find(document).hits > 0;
    if (found !== byPattern(words, document)) wrong.push([...words, document]);
    if (found) hits++;
  }
  expect(wrong).toEqual([]);
  expect(hits).toBeGreaterThan(50);
});

test('counts all words, and those within words without whole-words', () => {
  const words = ['he', 'she', 'hers', 'his'];
  expect(new WordList(words, false).find('ushers his')).toEqual({ hits: 4, first: 'she' });
  expect(new WordList(words, true).find('ushers HIS he')).toEqual({ hits: 2, first: 'his' });
  expect(new WordList(words, true).find('')).toEqual({ hits: 0, first: undefined });
});

test('rejects documents with words of a file', async () => {
  const file = join(folder, 'words.txt');
  writeFileSync(file, 'bad word\r\n\n  Worse \n');
  const of = async (text: string, rules = {}) =>
    filterDocument({ id: '1', source: 's', text }, [{ name: 'word-list', rules: { file, ...rules } }]);
  expect(await of('A bad wording is not worse')).toMatchObject({
    rejection: { filter: 'word-list', rule: 'max-hits', value: 1, threshold: 0, found: 'worse' },
  });
  expect(await of('a bad wording')).toHaveProperty('document');
  expect(await of('a bad wording', { 'whole-words': false })).toHaveProperty('rejected');
  expect(await of('worse, worse', { 'max-hits': 1 })).toMatchObject({
    rejection: { value: 2, threshold: 1 },
  });
  expect(await of('worse', { 'max-hits': 1 })).toHaveProperty('document');
});

test('refuses a list that is missing or empty', async () => {
  const of = (recipe: string) => filterDocument({ id: '1', source: 's', text: 'a' }, [recipe]);
  const empty = join(folder, 'empty.txt');
  writeFileSync(empty, '\n \n');
  await expect(of('word-list')).rejects.toMatchObject({ code: 'ERR_OPTION' });
  await expect(of(`word-list:file=${empty}`)).rejects.toMatchObject({ code: 'ERR_OPTION' });
  await expect(of(`word-list:file=${folder}/none`)).rejects.toMatchObject({ code: 'ERR_FILE_MISSING' });
});
