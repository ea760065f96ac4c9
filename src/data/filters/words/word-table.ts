/**
 * Every word that was seen, with all that the rules ask of one. A chunk of text is divided into
 * words once.
 */

import { SENTENCE_ENDS } from './english-rules.ts';
import { englishWords } from './english-words.ts';
import { PUNCTUATION } from './punctuation.ts';
import { codePoints, isSpace, splitChunks } from './white-space.ts';

/** Bits of `flags`. */
export const HAS_NON_PUNCTUATION = 1;
export const HAS_LETTER = 2;
/** A full stop or the like. */
const ENDS_SENTENCE = 4;
/** Made of Unicode punctuation. */
const IS_PUNCTUATION = 8;
/** With # or an ellipsis. */
export const HAS_SYMBOL = 16;
/** The bit of the first of STOP_WORDS; the others follow. */
export const FIRST_STOP_WORD = 32;
export const STOP_WORDS = ['the', 'be', 'to', 'of', 'and', 'that', 'have', 'with'] as const;

export const ALL_STOP_WORDS = ((1 << STOP_WORDS.length) - 1) * FIRST_STOP_WORD;

const LETTER = /\p{L}/u;
const ALL_PUNCTUATION = /^\p{P}*$/u;
const sentenceEnds: ReadonlySet<string> = new Set(SENTENCE_ENDS);
const stopWords: ReadonlyMap<string, number> = new Map(
  STOP_WORDS.map((word, i) => [word, FIRST_STOP_WORD << i]),
);

/** Beyond these numbers words and chunks are forgotten between two documents. */
const MOST_WORDS = 1 << 18;
/** A longer chunk seldom comes again. */
const LONGEST_KEPT = 48;

const BASE_A = 0x01000193;
const BASE_B = 0x2c1b3c6d;

export class WordTable {
  readonly #chunks = new ChunkTable();
  readonly #words = new Map<string, number>();
  /** By word. */
  readonly flags: number[] = [];
  /** Code points by word. */
  readonly lengths: number[] = [];
  /**
   * Two hashes of each word, and the factors by which they move a hash to the left. The hash of
   * joined words is computed from these, so equal texts have equal hashes wherever words end.
   */
  readonly hashA: number[] = [];
  readonly hashB: number[] = [];
  readonly shiftA: number[] = [];
  readonly shiftB: number[] = [];

  /** Forgets words when there are many. Words of earlier texts have no meaning after it. */
  trim(): void {
    if (!this.#chunks.isFull && this.#words.size < MOST_WORDS) return;
    this.#chunks.clear();
    this.#words.clear();
    for (const row of [this.flags, this.lengths, this.hashA, this.hashB, this.shiftA, this.shiftB]) {
      row.length = 0;
    }
  }

  /** All words of a text. */
  words(text: string): Int32Array {
    const row = new WordRow(text.length);
    for (let i = 0; i < text.length; ) {
      const chunk = this.#chunkAt(text, i);
      for (const word of chunk.words) row.push(word);
      i = chunk.end;
      while (i < text.length && isSpace(text.charCodeAt(i))) i++;
    }
    return row.words;
  }

  /** The words of `str.split`: each chunk is one. */
  chunks(text: string): Int32Array {
    const row = new WordRow(text.length);
    for (const chunk of splitChunks(text)) row.push(this.#word(chunk));
    return row.words;
  }

  /**
   * The number of sentences of a line as spaCy's sentencizer counts them, at most `most`. A
   * sentence ends before the word that follows a full stop and other punctuation.
   */
  sentences(line: string, most: number): number {
    let sentences = 1;
    let ended = false;
    for (let i = 0; i < line.length && sentences < most; ) {
      const space = i;
      while (i < line.length && isSpace(line.charCodeAt(i))) i++;
      // White space other than one blank is a word of its own to spaCy.
      const isWord = i - space > 1 || (i > space && (space === 0 || line[space] !== ' '));
      if (isWord && ended) {
        sentences++;
        ended = false;
      }
      if (i === line.length) break;
      const { words, end } = this.#chunkAt(line, i);
      i = end;
      for (const word of words) {
        const flags = this.flags[word]!;
        if (flags & ENDS_SENTENCE) ended = true;
        else if (ended && !(flags & IS_PUNCTUATION)) {
          sentences++;
          ended = false;
        }
      }
    }
    return Math.min(sentences, most);
  }

  /** The words from `start` to the next white space, and the place of that. */
  #chunkAt(text: string, start: number): { words: readonly number[]; end: number } {
    let end = start;
    let hash = 0;
    for (; end < text.length; end++) {
      const code = text.charCodeAt(end);
      if (isSpace(code)) break;
      hash = Math.imul(hash ^ code, 0x01000193);
    }
    const chunks = this.#chunks;
    const known = chunks.find(text, start, end, hash);
    if (known) return { words: known, end };
    const chunk = text.slice(start, end);
    const words = chunk === '' ? [] : englishWords(chunk).map((word) => this.#word(word));
    if (chunk.length <= LONGEST_KEPT && !chunks.isFull) chunks.add(chunk, words, hash);
    return { words, end };
  }

  #word(text: string): number {
    const known = this.#words.get(text);
    if (known !== undefined) return known;
    const word = this.flags.length;
    this.#words.set(text, word);
    this.flags.push(flagsOf(text));
    this.lengths.push(codePoints(text));
    let [a, b, shiftA, shiftB] = [0, 0, 1, 1];
    for (let i = 0; i < text.length; i++) {
      const code = mixed(text.charCodeAt(i));
      a = (Math.imul(a, BASE_A) + code) | 0;
      b = (Math.imul(b, BASE_B) + code) | 0;
      shiftA = Math.imul(shiftA, BASE_A);
      shiftB = Math.imul(shiftB, BASE_B);
    }
    this.hashA.push(a);
    this.hashB.push(b);
    this.shiftA.push(shiftA);
    this.shiftB.push(shiftB);
    return word;
  }
}

function flagsOf(text: string): number {
  let flags = stopWords.get(text) ?? 0;
  for (const char of text) {
    if (PUNCTUATION.has(char)) continue;
    flags |= HAS_NON_PUNCTUATION;
    break;
  }
  if (LETTER.test(text)) flags |= HAS_LETTER;
  if (text.includes('#') || text.includes('…')) flags |= HAS_SYMBOL;
  if (sentenceEnds.has(text)) flags |= ENDS_SENTENCE;
  if (ALL_PUNCTUATION.test(text)) flags |= IS_PUNCTUATION;
  return flags;
}

function mixed(code: number): number {
  const x = Math.imul(code + 1, 0x9e3779b1);
  return Math.imul(x ^ (x >>> 15), 0x85ebca6b) ^ (x >>> 7);
}

/** Words that were collected. */
class WordRow {
  #words: Int32Array;
  #count = 0;

  constructor(characters: number) {
    this.#words = new Int32Array(Math.max(64, characters >> 2));
  }

  push(word: number): void {
    if (this.#count === this.#words.length) {
      const larger = new Int32Array(2 * this.#count);
      larger.set(this.#words);
      this.#words = larger;
    }
    this.#words[this.#count++] = word;
  }

  get words(): Int32Array {
    return this.#words.subarray(0, this.#count);
  }
}

/** The words of chunks by their characters, which are compared in place: no string is made. */
class ChunkTable {
  /** 1 + the number of a chunk; 0 is free. */
  readonly #slots = new Int32Array(2 * MOST_WORDS);
  readonly #texts: string[] = [];
  readonly #words: (readonly number[])[] = [];

  get isFull(): boolean {
    return this.#texts.length >= MOST_WORDS;
  }

  clear(): void {
    this.#slots.fill(0);
    this.#texts.length = 0;
    this.#words.length = 0;
  }

  find(text: string, start: number, end: number, hash: number): readonly number[] | undefined {
    for (let slot = this.#first(hash); ; slot = (slot + 1) & (this.#slots.length - 1)) {
      const number = this.#slots[slot]! - 1;
      if (number < 0) return undefined;
      const known = this.#texts[number]!;
      if (known.length === end - start && text.startsWith(known, start)) return this.#words[number];
    }
  }

  add(text: string, words: readonly number[], hash: number): void {
    let slot = this.#first(hash);
    while (this.#slots[slot] !== 0) slot = (slot + 1) & (this.#slots.length - 1);
    this.#texts.push(text);
    this.#words.push(words);
    this.#slots[slot] = this.#texts.length;
  }

  #first(hash: number): number {
    return (hash ^ (hash >>> 15)) & (this.#slots.length - 1);
  }
}
