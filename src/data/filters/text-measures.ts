/**
 * All that the rules measure of one text. Each part is computed when the first rule asks for it,
 * and shared by all others.
 */
import { CommonRows, RepeatedRows } from './words/ngrams.ts';
import { TERMINAL_PUNCTUATION } from './words/punctuation.ts';
import { codePoints, occurrences, splitLines, strip, stripEnd, stripStart } from './words/white-space.ts';
import {
  FIRST_STOP_WORD,
  FLAGS,
  HAS_LETTER,
  HAS_NON_PUNCTUATION,
  LENGTH,
  STOP_WORDS,
  WORD_FACTS,
  type WordTable,
} from './words/word-table.ts';

/** Sums over the words of a text. */
interface WordCounts {
  words: number;
  /** Words with a character that is not punctuation, and their code points. */
  real: number;
  realLength: number;
  withLetter: number;
  stopWords: number;
}

/** Repeated lines or paragraphs: their number, their code points, and the number of all. */
interface Repeats {
  count: number;
  length: number;
  of: number;
}

/** Sums over lines that are not blank. */
interface LineCounts {
  lines: number;
  terminated: number;
  repeatedLength: number;
  texts: readonly string[];
}

export class TextMeasures {
  readonly text: string;
  readonly table: WordTable;
  #words: Int32Array | undefined;
  #length: number | undefined;
  #wordCounts: WordCounts | undefined;
  #paragraphs: Repeats | undefined;
  #lines: Repeats | undefined;
  #lineCounts: LineCounts | undefined;
  #allLines: readonly string[] | undefined;
  #repeatedRows: readonly number[] | undefined;
  #topRows: readonly number[] | undefined;
  readonly #others = new Map<unknown, unknown>();

  constructor(text: string, table: WordTable) {
    this.text = text;
    this.table = table;
  }

  /** The result of `compute` for this text, which is computed once. */
  once<T>(compute: (measures: TextMeasures) => T): T {
    if (!this.#others.has(compute)) this.#others.set(compute, compute(this));
    return this.#others.get(compute) as T;
  }

  /** Code points. */
  get length(): number {
    this.#length ??= codePoints(this.text);
    return this.#length;
  }

  get words(): Int32Array {
    this.#words ??= this.table.words(this.text);
    return this.#words;
  }

  get wordCounts(): WordCounts {
    this.#wordCounts ??= this.#countWords();
    return this.#wordCounts;
  }

  /** Paragraphs are divided by blank lines; white space around the text is left out. */
  get paragraphs(): Repeats {
    this.#paragraphs ??= repeatsOf(strip(this.text).split(/\n{2,}/));
    return this.#paragraphs;
  }

  /** Lines are divided by one or more line breaks. */
  get lines(): Repeats {
    this.#lines ??= repeatsOf(this.text.split(/\n+/));
    return this.#lines;
  }

  get lineCounts(): LineCounts {
    this.#lineCounts ??= countLines(this.text);
    return this.#lineCounts;
  }

  get lineBreaks(): number {
    return occurrences(this.text, '\n');
  }

  /** Share of `str.splitlines` that begin with a bullet. */
  get bulletLines(): number {
    const lines = this.#splitLines();
    let bullets = 0;
    for (const line of lines) {
      const first = stripStart(line)[0];
      if (first === '•' || first === '-') bullets++;
    }
    return share(bullets, lines.length);
  }

  /** Share of `str.splitlines` that end with an ellipsis. */
  get ellipsisLines(): number {
    const lines = this.#splitLines();
    let ellipses = 0;
    for (const line of lines) {
      const end = stripEnd(line);
      if (end.endsWith('...') || end.endsWith('…')) ellipses++;
    }
    return share(ellipses, lines.length);
  }

  /** Share of the text in the commonest row of 2, 3 or 4 words. */
  topRow(n: 2 | 3 | 4): number {
    if (this.#topRows === undefined) {
      const rows = new CommonRows(this.words, this.table);
      this.#topRows = [2, 3, 4].map((size) => {
        const { topLength, topCount } = rows.next() ?? { topLength: 0, topCount: 0 };
        return (topLength + size - 1) * topCount;
      });
    }
    return share(this.#topRows[n - 2]!, this.length);
  }

  /** Share of the text in rows of `n` words that repeat an earlier one. */
  repeatedRow(n: 5 | 6 | 7 | 8 | 9 | 10): number {
    if (this.#repeatedRows === undefined) {
      const rows = new RepeatedRows(this.words, this.table);
      this.#repeatedRows = [5, 6, 7, 8, 9, 10].map((size) => rows.length(size));
    }
    return share(this.#repeatedRows[n - 5]!, this.length);
  }

  /** Occurrences of a text per word. */
  perWord(...parts: readonly string[]): number {
    const count = parts.reduce((sum, part) => sum + occurrences(this.text, part), 0);
    return share(count, this.wordCounts.words);
  }

  #splitLines(): readonly string[] {
    this.#allLines ??= splitLines(this.text);
    return this.#allLines;
  }

  #countWords(): WordCounts {
    const { words } = this;
    const { facts } = this.table;
    let [real, realLength, withLetter, all] = [0, 0, 0, 0];
    for (let i = 0; i < words.length; i++) {
      const at = words[i]! * WORD_FACTS;
      const bits = facts[at + FLAGS]!;
      all |= bits;
      if (bits & HAS_LETTER) withLetter++;
      if (!(bits & HAS_NON_PUNCTUATION)) continue;
      real++;
      realLength += facts[at + LENGTH]!;
    }
    const stopWords = STOP_WORDS.filter((_, i) => all & (FIRST_STOP_WORD << i)).length;
    return { words: words.length, real, realLength, withLetter, stopWords };
  }
}

/** 0 where there is nothing. */
export function share(part: number, whole: number): number {
  return whole === 0 ? 0 : part / whole;
}

function repeatsOf(parts: readonly string[]): Repeats {
  const seen = new Set<string>();
  let [count, length] = [0, 0];
  for (const part of parts) {
    if (seen.has(part)) {
      count++;
      length += codePoints(part);
    } else seen.add(part);
  }
  return { count, length, of: parts.length };
}

function countLines(text: string): LineCounts {
  const texts = text.split('\n').filter((line) => strip(line) !== '');
  let terminated = 0;
  for (const line of texts) {
    const last = line.codePointAt(line.length - 1)!;
    const isLow = (last & 0xfc00) === 0xdc00 && line.length > 1;
    const end = isLow ? line.slice(-2) : line.slice(-1);
    if (TERMINAL_PUNCTUATION.has(end)) terminated++;
  }
  return { lines: texts.length, terminated, repeatedLength: repeatsOf(texts).length, texts };
}
