/** Each rule with documents on both sides of its published threshold. */
import { describe, expect, test } from 'vitest';
import type { Rejection } from '../../../src/data/filters/filter.ts';
import { filterDocument } from '../../../src/data/filters/filter-documents.ts';
import { createFilters, type FilterName, filterNames } from '../../../src/data/filters/presets.ts';
import { TextMeasures } from '../../../src/data/filters/text-measures.ts';
import { WordTable } from '../../../src/data/filters/words/word-table.ts';

/** What the filter says of the text with all but one of its rules switched off. */
async function alone(name: FilterName, rule: string, text: string): Promise<string | Rejection> {
  const [all] = await createFilters([name]);
  const off = Object.keys(all!.rules).filter((other) => other !== rule);
  const rules = Object.fromEntries(off.map((other) => [other, false]));
  const result = await filterDocument({ id: '1', source: 's', text }, [{ name, rules }]);
  return 'document' in result ? result.document.text : result.rejection;
}

const words = (count: number, word = 'word') => Array.from({ length: count }, () => word).join(' ');
/** Different words of five letters. */
const distinct = (count: number, from = 0) =>
  Array.from(
    { length: count },
    (_, i) =>
      `w${String.fromCharCode(97 + ((i + from) % 26), 97 + (Math.floor((i + from) / 26) % 26), 97 + (Math.floor((i + from) / 676) % 26))}x`,
  ).join(' ');
const lines = (...counts: [number, string][]) =>
  counts.flatMap(([count, line]) => Array.from({ length: count }, () => line)).join('\n');

/** Filter, rule, the last text that is kept, the first that is rejected, and its measure. */
const cases: [FilterName, string, string, string, number][] = [
  ['gopher-quality', 'min-words', words(50), `${words(49)} ! ?`, 49],
  ['gopher-quality', 'max-words', words(100_000), words(100_001), 100_001],
  ['gopher-quality', 'min-mean-word-length', 'aaa bbb', 'aaa bb', 2.5],
  ['gopher-quality', 'max-mean-word-length', 'aaaaaaaaaa', 'aaaaaaaaaa bbbbbbbbbbb', 10.5],
  // A # is a word too.
  ['gopher-quality', 'max-hashes', `${words(9)} #`, `${words(8)} #`, 1 / 9],
  ['gopher-quality', 'max-ellipses', `${words(9)} …`, `${words(8)} ...`, 1 / 9],
  ['gopher-quality', 'max-bullet-lines', lines([9, '- a'], [1, 'b']), lines([10, ' • a'], [1, 'b']), 10 / 11],
  ['gopher-quality', 'max-ellipsis-lines', lines([3, 'a…'], [7, 'b']), lines([4, 'a... '], [7, 'b']), 4 / 11],
  ['gopher-quality', 'min-letter-words', `${words(4)} 1`, `${words(3)} 1`, 0.75],
  ['gopher-quality', 'min-stop-words', 'the man of', 'the the The', 1],
  [
    'gopher-repetition',
    'repeated-lines',
    lines([4, 'a'], [1, 'b'], [1, 'c'], [1, 'd'], [1, 'e'], [1, 'f'], [1, 'g']),
    lines([4, 'a'], [1, 'b'], [1, 'c'], [1, 'd'], [1, 'e'], [1, 'f']),
    3 / 9,
  ],
  ['gopher-repetition', 'repeated-paragraphs', 'a\n\na\n\n\nb\n\nc', 'a\n\na\n\n\nb', 1 / 3],
  [
    'gopher-repetition',
    'repeated-line-characters',
    `${'b'.repeat(14)}\naa\n\naa`,
    `${'b'.repeat(5)}\naaa\naaaa\naaaa`,
    4 / 19,
  ],
  [
    'gopher-repetition',
    'repeated-paragraph-characters',
    `${'b'.repeat(11)}\n\naa\n\naa`,
    `${'b'.repeat(6)}\n\naaaa\n\naaaa`,
    4 / 18,
  ],
  ['gopher-repetition', 'top-2-gram', `ab cd ${distinct(20)} ab cd`, `ab cd ${distinct(5)} ab cd`, 10 / 41],
  [
    'gopher-repetition',
    'top-3-gram',
    `ab cd ef ${distinct(20)} ab cd ef`,
    `ab cd ef ${distinct(5)} ab cd ef`,
    16 / 47,
  ],
  [
    'gopher-repetition',
    'top-4-gram',
    `ab cd ef gh ${distinct(30)} ab cd ef gh`,
    `ab cd ef gh ${distinct(5)} ab cd ef gh`,
    22 / 53,
  ],
  ...[5, 6, 7, 8, 9, 10].map((n): [FilterName, string, string, string, number] => [
    'gopher-repetition',
    `repeated-${n}-grams`,
    `${distinct(n)} ${distinct(12 * n, n)} ${distinct(n)}`,
    `${distinct(n)} ${distinct(1, n)} ${distinct(n)}`,
    (5 * n) / (6 * (2 * n + 1) - 1),
  ]),
  ['fineweb', 'min-lines', 'a', ' \n\t\n', 0],
  ['fineweb', 'min-terminated-lines', lines([3, 'a.'], [22, 'b']), lines([2, 'a。'], [15, 'b']), 2 / 17],
  [
    'fineweb',
    'max-short-lines',
    lines([67, 'a'.repeat(30)], [33, 'b'.repeat(31)]),
    lines([68, 'a'.repeat(30)], [32, 'b'.repeat(31)]),
    0.68,
  ],
  ['fineweb', 'max-repeated-characters', `${'b'.repeat(98)}\na\na`, `${'b'.repeat(97)}\na\na`, 1 / 99],
  ['fineweb', 'max-line-breaks-per-word', `${words(10)}\n\n\n`, `${words(9)}\n\n\n`, 3 / 9],
  ['fineweb-paper', 'max-repeated-characters', `${'b'.repeat(8)}\na\na`, `${'b'.repeat(7)}\na\na`, 1 / 9],
  ['gopher-dolma', 'min-words', words(50), words(49), 49],
  ['gopher-dolma', 'max-words', words(100_000), words(100_001), 100_001],
  ['gopher-dolma', 'min-median-word-length', 'aaa b ccc', 'aaa bb', 2.5],
  ['gopher-dolma', 'max-median-word-length', 'aaaaaaaaaa', `${'a'.repeat(11)}`, 11],
  ['gopher-dolma', 'max-symbols', `${words(9)} a#b`, `${words(8)} …`, 1 / 9],
  ['gopher-dolma', 'min-letter-words', `${words(4)} 1`, `${words(3)} 1`, 0.75],
  ['gopher-dolma', 'min-stop-words', 'the the', 'the The', 1],
  ['gopher-dolma', 'max-bullet-lines', lines([9, '* a'], [1, 'b']), lines([10, '-a'], [1, 'b']), 10 / 11],
  ['gopher-dolma', 'max-ellipsis-lines', lines([3, 'a…'], [7, 'b']), lines([4, 'a…'], [7, 'b']), 4 / 11],
  [
    'gopher-dolma',
    'repeated-lines',
    `a\na\na\n${distinct(7).replaceAll(' ', '\n')}`,
    `a\na\na\n${distinct(6).replaceAll(' ', '\n')}`,
    3 / 9,
  ],
  [
    'gopher-dolma',
    'repeated-line-characters',
    `a\na\na\n${'b'.repeat(7)}`,
    `a\na\na\n${'b'.repeat(6)}`,
    3 / 9,
  ],
  ['length', 'min-characters', 'a', '', 0],
  ['length', 'min-words', 'a', ' ', 0],
];

describe('thresholds', () => {
  test.each(cases)('%s %s', async (name, rule, kept, rejected, value) => {
    expect(await alone(name, rule, kept)).toBe(kept);
    const result = await alone(name, rule, rejected);
    expect(result).toMatchObject({ filter: name, rule });
    expect((result as Rejection).value).toBeCloseTo(value, 12);
  });

  test('every rule has a case, or one of C4', async () => {
    const covered = new Set(cases.map(([name, rule]) => `${name}.${rule}`));
    const other = ['c4', 'c4-paragraphs', 'classifier', 'language', 'pii', 'word-list'];
    for (const name of filterNames.filter((filter) => !other.includes(filter))) {
      const [filter] = await createFilters([name]);
      const missing = Object.keys(filter!.rules).filter((rule) => !covered.has(`${name}.${rule}`));
      const same = ['fineweb-paper', 'gopher-dolma', 'length'];
      if (!same.includes(name)) expect(missing).toEqual([]);
    }
  });
});

describe('c4', () => {
  const long = 'One is here. Two is here. Three is here. Four is here. Five is here.';
  const c4 = async (text: string, entry = 'c4') => {
    const result = await filterDocument({ id: '1', source: 's', text }, [entry]);
    return 'document' in result ? result.document.text : result.rejection;
  };

  test.each([
    ['a word of 1000 characters', `${long}\nA ${'b'.repeat(1000)} here.`, true],
    ['a word of 1001 characters', `${long}\nA ${'b'.repeat(1001)} here.`, false],
    ['a word of 1000 code points', `${long}\nA ${'😀'.repeat(1000)} here.`, true],
    ['an end', `${long}\nIt ends so!`, true],
    ['no end', `${long}\nIt does not end`, false],
    ['an ellipsis', `${long}\nIt goes on...`, false],
    ['three words', `${long}\nIt is so.`, true],
    ['two words', `${long}\nIt is.`, false],
    ['javascript', `${long}\nPlease turn on JavaScript now.`, false],
    ['a policy', `${long}\nThis site has a Privacy Policy page.`, false],
  ])('keeps or drops a line with %s', async (_, text, kept) => {
    expect(await c4(text)).toBe(kept ? text : long);
  });

  test('drops documents', async () => {
    expect(await c4('One is here. Two is here. Three is here. Four is here.')).toMatchObject({
      rule: 'min-sentences',
      value: 4,
      threshold: 5,
    });
    expect(await c4(`${long}\nLorem Ipsum is here.`)).toMatchObject({ rule: 'lorem-ipsum' });
    expect(await c4(`${long}\nA { stands here.`)).toMatchObject({ rule: 'curly-bracket' });
  });

  test('has an order: a line that was dropped before drops no document', async () => {
    expect(await c4(`${long}\nfunction f() {`)).toBe(long);
    expect(await c4(`${long}\nIt has javascript and { too.`)).toBe(long);
    expect(await c4(`${long}\nIt has cookie policy and { too.`)).toMatchObject({ rule: 'curly-bracket' });
  });

  test('edits: citations, white space around lines; words are counted before citations go', async () => {
    expect(await c4(`  ${long}[12] \r\n\n[edit] Here it.[citation needed]`)).toBe(`${long}\n Here it.`);
    expect(await c4(`${long}\nterms of[1] use are here.`)).toBe(long);
    expect(await c4(`${long}[12]`, 'c4:citations=off')).toMatchObject({ rule: 'min-sentences', value: 0 });
  });
});

test('c4-paragraphs', async () => {
  const of = async (text: string) => filterDocument({ id: '1', source: 's', text }, ['c4-paragraphs']);
  const [long, short] = ['a'.repeat(200), 'a'.repeat(199)];
  expect(await of([long, long, long].join('\n'))).toHaveProperty('document');
  expect(await of([long, long, short].join('\n'))).toMatchObject({
    rejection: { rule: 'min-paragraphs', value: 2, threshold: 3 },
  });
});

test('a document has the same result whatever came before it', async () => {
  const texts = cases.flatMap(([, , a, b]) => [a, b]).filter((text) => text.length < 1000);
  const filters = await createFilters(['gopher-quality', 'gopher-repetition', 'fineweb', 'gopher-dolma']);
  const results = (order: readonly string[], table: () => WordTable) =>
    new Map(order.map((text) => [text, filters.map((f) => f.apply(new TextMeasures(text, table())))]));
  const shared = new WordTable();
  const fresh = results(texts, () => new WordTable());
  expect(results([...texts].reverse(), () => shared)).toEqual(fresh);
});
