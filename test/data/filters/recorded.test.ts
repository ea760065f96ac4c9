/**
 * The filters against results of datatrove 0.10.0 and dolma 1.2.1 on 431 texts, which
 * scripts/record-filters.py recorded.
 */
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';
import { describe, expect, test } from 'vitest';
import { maskPersonalData } from '../../../src/data/filters/personal-data.ts';
import { createFilters, ruleTables } from '../../../src/data/filters/presets.ts';
import { TextMeasures } from '../../../src/data/filters/text-measures.ts';
import { englishWords } from '../../../src/data/filters/words/english-words.ts';
import { splitChunks, splitLines } from '../../../src/data/filters/words/white-space.ts';
import { WordTable } from '../../../src/data/filters/words/word-table.ts';

interface Recorded {
  text: string;
  words: number;
  words_sha256: string;
  sentences: number[];
  decisions: Record<string, { kept?: string | null; rejected?: string; error?: string }>;
  measures: Record<
    'gopher-quality' | 'gopher-repetition' | 'fineweb' | 'gopher-dolma',
    Record<string, number>
  >;
  masked: string;
}

const file = new URL('./fixtures/recorded.jsonl.gz', import.meta.url);
const recorded = gunzipSync(readFileSync(file))
  .toString()
  .trimEnd()
  .split('\n')
  .map((line) => JSON.parse(line) as Recorded);

/** Our names of datatrove's reasons. */
const RULES: Record<string, string> = {
  lorem_ipsum: 'lorem-ipsum',
  curly_bracket: 'curly-bracket',
  too_few_sentences: 'min-sentences',
  '< 3 paragraphs': 'min-paragraphs',
  gopher_short_doc: 'min-words',
  gopher_long_doc: 'max-words',
  gopher_below_avg_threshold: 'min-mean-word-length',
  gopher_above_avg_threshold: 'max-mean-word-length',
  gopher_too_many_hashes: 'max-hashes',
  gopher_too_many_ellipsis: 'max-ellipses',
  gopher_too_many_bullets: 'max-bullet-lines',
  gopher_too_many_end_ellipsis: 'max-ellipsis-lines',
  gopher_below_alpha_threshold: 'min-letter-words',
  gopher_enough_stop_words: 'min-stop-words',
  dup_para_frac: 'repeated-paragraphs',
  dup_para_char_frac: 'repeated-paragraph-characters',
  dup_line_frac: 'repeated-lines',
  dup_line_char_frac: 'repeated-line-characters',
  top_2_gram: 'top-2-gram',
  top_3_gram: 'top-3-gram',
  top_4_gram: 'top-4-gram',
  ...Object.fromEntries([5, 6, 7, 8, 9, 10].map((n) => [`duplicated_${n}_n_grams`, `repeated-${n}-grams`])),
  empty: 'min-lines',
  line_punct_ratio: 'min-terminated-lines',
  short_line_ratio: 'max-short-lines',
  char_dup_ratio: 'max-repeated-characters',
  list_ratio: 'max-line-breaks-per-word',
};

/** The first texts for which `differs` says how they differ. */
function differences(differs: (row: Recorded) => string | undefined): string[] {
  const found: string[] = [];
  for (const row of recorded) {
    const difference = differs(row);
    if (difference !== undefined) found.push(`${JSON.stringify(row.text.slice(0, 100))}: ${difference}`);
  }
  return found.slice(0, 5);
}

const unequal = (own: unknown, theirs: unknown) =>
  JSON.stringify(own) === JSON.stringify(theirs)
    ? undefined
    : `${JSON.stringify(own)} and not ${JSON.stringify(theirs)}`;

describe('as datatrove 0.10.0 and dolma 1.2.1', () => {
  test('words', () => {
    const table = new WordTable();
    const differs = ({ text, words, words_sha256 }: Recorded) => {
      const all = splitChunks(text).flatMap((chunk) => englishWords(chunk));
      const digest = createHash('sha256').update(all.join('\n')).digest('hex').slice(0, 16);
      return unequal([table.words(text).length, digest], [words, words_sha256]);
    };
    expect(differences(differs)).toEqual([]);
  });

  test('sentences', () => {
    const table = new WordTable();
    const count = (most: number) => (row: Recorded) =>
      unequal(
        splitLines(row.text).map((line) => table.sentences(line, most)),
        row.sentences.map((n) => Math.min(n, most)),
      );
    expect(differences(count(1e9))).toEqual([]);
    expect(differences(count(2))).toEqual([]);
  });

  test.each(['gopher-quality', 'gopher-repetition', 'fineweb', 'gopher-dolma'] as const)(
    'measures of %s',
    (name) => {
      const rules = ruleTables[name];
      const table = new WordTable();
      const differs = ({ text, measures }: Recorded) => {
        const own = new TextMeasures(text, table);
        const names = Object.keys(measures[name]);
        return unequal(
          names.map((rule) => [rule, rules[rule]!.measure(own)]),
          names.map((rule) => [rule, measures[name][rule]]),
        );
      };
      expect(differences(differs)).toEqual([]);
      expect(Object.keys(recorded[100]!.measures[name]).length).toBeGreaterThan(4);
    },
  );

  test.each(Object.keys(recorded[0]!.decisions))('decisions of %s', async (entry) => {
    const [filter] = await createFilters([entry]);
    const table = new WordTable();
    const seen = new Set<string>();
    const differs = ({ text, decisions }: Recorded) => {
      const { kept, rejected, error } = decisions[entry]!;
      // datatrove divides by the number of words or characters, where there are none.
      if (error) return undefined;
      const result = filter!.apply(new TextMeasures(text, table));
      seen.add(rejected ?? 'kept');
      const own = typeof result === 'string' ? result : `rejected by ${result.rule}`;
      return unequal(own, rejected === undefined ? (kept ?? text) : `rejected by ${RULES[rejected]}`);
    };
    expect(differences(differs)).toEqual([]);
    expect(seen.size).toBeGreaterThan(1);
  });

  test('masked addresses', () => {
    const own = (text: string) => maskPersonalData(text, { phone: false, card: false });
    expect(differences(({ text, masked }) => unequal(own(text), masked))).toEqual([]);
    expect(recorded.filter(({ text, masked }) => text !== masked).length).toBeGreaterThan(10);
  });
});
