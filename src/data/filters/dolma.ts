/**
 * Gopher's rules as dolma's tagger `gopher_v1` measures them, with the limits of Dolma 1.6. They
 * have the names of Gopher's rules and other results: words are what stands between white space,
 * their length is the median, and required words count each time.
 */
import type { Rules } from './filter.ts';
import { share, type TextMeasures } from './text-measures.ts';
import { CommonRows, type RowCounts } from './words/ngrams.ts';
import { codePoints } from './words/white-space.ts';
import { ALL_STOP_WORDS, FLAGS, HAS_LETTER, HAS_SYMBOL, LENGTH, WORD_FACTS } from './words/word-table.ts';

export const DOLMA_VERSION = 'dolma-1.2.1/gopher_v1';

interface DolmaMeasures {
  words: number;
  medianLength: number;
  symbols: number;
  withLetter: number;
  required: number;
  bulletLines: number;
  ellipsisLines: number;
  repeatedLines: number;
  repeatedLineCharacters: number;
  /** Shares of the text in the commonest row of 2, 3 and 4 words. */
  top: readonly number[];
  /** Shares of the text in repeated rows of 5 to 10 words. */
  repeated: readonly number[];
}

function of(pick: (measures: DolmaMeasures) => number): (measures: TextMeasures) => number {
  return (measures) => pick(measures.once(measure));
}

const min = (threshold: number, pick: (m: DolmaMeasures) => number) =>
  ({ bound: 'min', threshold, measure: of(pick) }) as const;
const max = (threshold: number, pick: (m: DolmaMeasures) => number) =>
  ({ bound: 'max', threshold, measure: of(pick) }) as const;

export const gopherDolma: Rules = {
  'min-words': min(50, (m) => m.words),
  'max-words': max(100_000, (m) => m.words),
  'min-median-word-length': min(3, (m) => m.medianLength),
  'max-median-word-length': max(10, (m) => m.medianLength),
  'max-symbols': max(0.1, (m) => share(m.symbols, m.words)),
  'min-letter-words': min(0.8, (m) => share(m.withLetter, m.words)),
  'min-stop-words': min(2, (m) => m.required),
  'max-bullet-lines': max(0.9, (m) => m.bulletLines),
  'max-ellipsis-lines': max(0.3, (m) => m.ellipsisLines),
  'repeated-lines': max(0.3, (m) => m.repeatedLines),
  'repeated-line-characters': max(0.3, (m) => m.repeatedLineCharacters),
  'top-2-gram': max(0.2, (m) => m.top[0]!),
  'top-3-gram': max(0.18, (m) => m.top[1]!),
  'top-4-gram': max(0.16, (m) => m.top[2]!),
  'repeated-5-grams': max(0.15, (m) => m.repeated[0]!),
  'repeated-6-grams': max(0.14, (m) => m.repeated[1]!),
  'repeated-7-grams': max(0.13, (m) => m.repeated[2]!),
  'repeated-8-grams': max(0.12, (m) => m.repeated[3]!),
  'repeated-9-grams': max(0.11, (m) => m.repeated[4]!),
  'repeated-10-grams': max(0.1, (m) => m.repeated[5]!),
};

function measure({ text, table }: TextMeasures): DolmaMeasures {
  const words = table.chunks(text);
  const lengths = Array.from(words, (word) => table.facts[word * WORD_FACTS + LENGTH]!);
  const characters = lengths.reduce((sum, length) => sum + length, 0);
  const count = (bits: number) =>
    words.reduce((sum, word) => sum + ((table.facts[word * WORD_FACTS + FLAGS]! & bits) === 0 ? 0 : 1), 0);
  const rows = new CommonRows(words, table);
  const [r2, r3, r4, ...others] = Array.from({ length: 9 }, () => rows.next());
  const lines = linesOf(text);
  return {
    words: words.length,
    medianLength: median(lengths),
    symbols: count(HAS_SYMBOL),
    withLetter: count(HAS_LETTER),
    required: count(ALL_STOP_WORDS),
    ...lines,
    repeatedLineCharacters: share(lines.repeatedLineCharacters, characters),
    top: [r2, r3, r4].map((row) => share(row ? row.topLength * row.topCount : 0, characters)),
    repeated: others.map((row: RowCounts | undefined) =>
      share(row?.repeatedLength ?? 0, row?.totalLength ?? 0),
    ),
  };
}

function linesOf(text: string) {
  const lines = text.split('\n');
  const counts = new Map<string, number>();
  for (const line of lines) counts.set(line, (counts.get(line) ?? 0) + 1);
  const repeated = [...counts].filter(([, count]) => count > 1);
  const number = (has: (line: string) => boolean) => share(lines.filter(has).length, lines.length);
  return {
    bulletLines: number((line) => line.startsWith('*') || line.startsWith('-')),
    ellipsisLines: number((line) => line.endsWith('…')),
    repeatedLines: share(
      repeated.reduce((sum, [, count]) => sum + count, 0),
      lines.length,
    ),
    repeatedLineCharacters: repeated.reduce((sum, [line, count]) => sum + codePoints(line) * count, 0),
  };
}

function median(values: readonly number[]): number {
  if (values.length === 0) return 0;
  const sorted = Int32Array.from(values).sort();
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}
