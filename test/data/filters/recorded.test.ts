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
  measures: Record<'gopher-quality' | 'gopher-repetition' | 'fineweb' | 'gopher-dolma', Record<string, number>>;
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
  ...Object.fromEntries(
    [5, 6, 7, 8, 9, 10].map((n) => [`duplicated_${n}_n_grams`, `repeated-${n}-grams`]),
  ),
  empty: 'min-lines',
  line_punct_ratio: 'min-terminated-lines',
  short_line_ratio: 'max-short-lines',
  char_dup_ratio: 'max-repeated-characters',
  list_ratio: 'max-line-breaks-per-word',
};

describe('as datatrove 0.10.0 and dolma 1.2.1', () => {
  test('words of all texts', () => {
    const table = new WordTable();
    for (const { text, words, words_sha256 } of recorded) {
      expect(table.words(text).length).toBe(words);
      const all = splitChunks(text).flatMap((chunk) => englishWords(chunk));
      const digest = createHash('sha256').update(all.join('\n')).digest('hex').slice(0, 16);
      expect(digest, JSON.stringify(text.slice(0, 100))).toBe(words_sha256);
    }
  });

  test('sentences of all lines', () => {
    const table = new WordTable();
    for (const { text, sentences } of recorded) {
      const lines = splitLines(text);
      expect(lines.map((line) => table.sentences(line, 1e9))).toEqual(sentences);
      expect(lines.map((line) => table.sentences(line, 2))).toEqual(sentences.map((n) => Math.min(n, 2)));
    }
  });

  test.each(['gopher-quality', 'gopher-repetition', 'fineweb', 'gopher-dolma'] as const)(
    'measures of %s',
    (name) => {
      const rules = ruleTables[name];
      const table = new WordTable();
      let compared = 0;
      for (const { text, measures } of recorded) {
        const own = new TextMeasures(text, table);
        for (const [rule, value] of Object.entries(measures[name])) {
          expect(rules[rule]!.measure(own), `${rule} of ${JSON.stringify(text.slice(0, 200))}`).toBe(value);
          compared++;
        }
      }
      expect(compared).toBeGreaterThan(400 * 5);
    },
  );

  test.each(Object.keys(recorded[0]!.decisions))('decisions of %s', async (entry) => {
    const [filter] = await createFilters([entry]);
    const table = new WordTable();
    const seen = new Set<string>();
    for (const { text, decisions } of recorded) {
      const { kept, rejected, error } = decisions[entry]!;
      // datatrove divides by the number of words or characters, where there are none.
      if (error) continue;
      const result = filter!.apply(new TextMeasures(text, table));
      if (rejected !== undefined) {
        seen.add(rejected);
        expect(result, JSON.stringify(text.slice(0, 200))).toMatchObject({ rule: RULES[rejected] });
      } else {
        seen.add('kept');
        expect(result).toBe(kept ?? text);
      }
    }
    expect(seen.size).toBeGreaterThan(1);
  });

  test('masked addresses', () => {
    let changed = 0;
    for (const { text, masked } of recorded) {
      expect(maskPersonalData(text, { phone: false, card: false })).toBe(masked);
      if (text !== masked) changed++;
    }
    expect(changed).toBeGreaterThan(10);
  });
});
