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

/** Beyond this number of words or chunks all are forgotten between two documents. */
const MOST = 1 << 18;
/** A longer chunk seldom comes again. */
const LONGEST_KEPT = 48;

const BASE_A = 0x01000193;
const BASE_B = 0x2c1b3c6d;

/** Numbers of a word in `WordTable.facts`, which stand together because they are read together. */
export const WORD_FACTS = 8;
/** Bits, above. */
export const FLAGS = 0;
/** Code points. */
export const LENGTH = 1;
/**
 * Two hashes of the word, and the factors by which they move a hash to the left. The hash of joined
 * words is computed from these, so equal texts have equal hashes wherever words end.
 */
export const HASH_A = 2;
export const HASH_B = 3;
export const SHIFT_A = 4;
export const SHIFT_B = 5;

export class WordTable {
  readonly #chunks = new ChunkTable();
  readonly #words = new Map<string, number>();
  #facts = new Int32Array(WORD_FACTS << 12);
  #row: Int32Array = new Int32Array(1 << 12);

  /** WORD_FACTS numbers per word. A later array may take its place when words are added. */
  get facts(): Int32Array {
    return this.#facts;
  }

  /** Forgets words when there are many. Words of earlier texts have no meaning after it. */
  trim(): void {
    if (!this.#chunks.isFull && this.#words.size < MOST) return;
    this.#chunks.clear();
    this.#words.clear();
  }

  /** All words of a text. */
  words(text: string): Int32Array {
    let row = this.#row;
    let count = 0;
    const chunks = this.#chunks;
    for (let i = 0; i < text.length; ) {
      while (i < text.length && isSpace(text.charCodeAt(i))) i++;
      if (i === text.length) break;
      i = this.#readChunk(text, i);
      if (count + chunks.count > row.length) row = this.#largerRow(count + chunks.count);
      if (chunks.count === 1) row[count++] = chunks.word(0);
      else for (let k = 0; k < chunks.count; k++) row[count++] = chunks.word(k);
    }
    return row.slice(0, count);
  }

  /** The words of `str.split`: each chunk is one. */
  chunks(text: string): Int32Array {
    return Int32Array.from(splitChunks(text), (chunk) => this.#word(chunk));
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
      i = this.#readChunk(line, i);
      for (let k = 0; k < this.#chunks.count; k++) {
        const flags = this.#facts[this.#chunks.word(k) * WORD_FACTS + FLAGS]!;
        if (flags & ENDS_SENTENCE) ended = true;
        else if (ended && !(flags & IS_PUNCTUATION)) {
          sentences++;
          ended = false;
        }
      }
    }
    return Math.min(sentences, most);
  }

  /**
   * Puts the words from `start` to the next white space in `chunks.count` and `chunks.word`.
   * Returns the place of that white space.
   */
  #readChunk(text: string, start: number): number {
    let end = start;
    let [a, b] = [0x11c9dc5, 0x1747b28c];
    for (; end < text.length; end++) {
      const code = text.charCodeAt(end);
      if (isSpace(code)) break;
      a = Math.imul(a ^ code, 0x01000193);
      b = Math.imul(b + code, 0x2c1b3c6d) ^ (b >>> 13);
    }
    if (this.#chunks.find(a, b ^ (end - start))) return end;
    const chunk = text.slice(start, end);
    const words = englishWords(chunk).map((word) => this.#word(word));
    this.#chunks.add(words, a, b ^ (end - start), chunk.length <= LONGEST_KEPT);
    return end;
  }

  #largerRow(least: number): Int32Array {
    const larger = new Int32Array(2 * least);
    larger.set(this.#row);
    this.#row = larger;
    return larger;
  }

  #word(text: string): number {
    const known = this.#words.get(text);
    if (known !== undefined) return known;
    const word = this.#words.size;
    this.#words.set(text, word);
    if ((word + 1) * WORD_FACTS > this.#facts.length) {
      const larger = new Int32Array(2 * this.#facts.length);
      larger.set(this.#facts);
      this.#facts = larger;
    }
    this.#facts.set([flagsOf(text), codePoints(text), ...hashesOf(text)], word * WORD_FACTS);
    return word;
  }
}

/** In the order of HASH_A to SHIFT_B. */
function hashesOf(text: string): number[] {
  let [a, b, shiftA, shiftB] = [0, 0, 1, 1];
  for (let i = 0; i < text.length; i++) {
    const code = mixed(text.charCodeAt(i));
    a = (Math.imul(a, BASE_A) + code) | 0;
    b = (Math.imul(b, BASE_B) + code) | 0;
    shiftA = Math.imul(shiftA, BASE_A);
    shiftB = Math.imul(shiftB, BASE_B);
  }
  return [a, b, shiftA, shiftB];
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

/** Numbers of a chunk in `#slots`: two hashes, the number of words, and the word or their place. */
const SLOT = 4;

/**
 * The words of chunks by two hashes of their characters. Chunks that share 64 bits would be taken
 * for each other; among as many as are kept that has a chance of 1 in 10 million.
 */
class ChunkTable {
  #slots = new Int32Array(SLOT << 12);
  #mask = (1 << 12) - 1;
  /** Words of chunks with several. */
  #pool = new Int32Array(1 << 12);
  #pooled = 0;
  #known = 0;
  /** Words of the chunk that was found or added last. */
  count = 0;
  #place = 0;
  #one = 0;

  get isFull(): boolean {
    return this.#known >= MOST;
  }

  clear(): void {
    this.#slots.fill(0);
    this.#pooled = 0;
    this.#known = 0;
  }

  /** Word `k` of `count` of the chunk that was found or added last. */
  word(k: number): number {
    return this.count === 1 ? this.#one : this.#pool[this.#place + k]!;
  }

  find(a: number, b: number): boolean {
    const slots = this.#slots;
    for (let slot = this.#first(a, b); ; slot = (slot + 1) & this.#mask) {
      const at = SLOT * slot;
      const count = slots[at + 2]!;
      if (count === 0) return false;
      if (slots[at] !== a || slots[at + 1] !== b) continue;
      this.count = count;
      this.#one = slots[at + 3]!;
      this.#place = this.#one;
      return true;
    }
  }

  /** Makes it the chunk that was added last; `keeps` says whether it can be found later. */
  add(words: readonly number[], a: number, b: number, keeps: boolean): void {
    const isKept = keeps && !this.isFull;
    this.count = words.length;
    this.#place = this.#pooled;
    this.#one = words[0]!;
    if (words.length > 1) {
      if (this.#pooled + words.length > this.#pool.length) {
        const larger = new Int32Array(2 * (this.#pooled + words.length));
        larger.set(this.#pool);
        this.#pool = larger;
      }
      this.#pool.set(words, this.#pooled);
      if (isKept) this.#pooled += words.length;
    }
    if (!isKept) return;
    this.#known += 1;
    if (2 * this.#known > this.#mask) this.#grow();
    this.#put(a, b, words.length, words.length === 1 ? this.#one : this.#place);
  }

  #put(a: number, b: number, count: number, place: number): void {
    const slots = this.#slots;
    let slot = this.#first(a, b);
    while (slots[SLOT * slot + 2] !== 0) slot = (slot + 1) & this.#mask;
    slots[SLOT * slot] = a;
    slots[SLOT * slot + 1] = b;
    slots[SLOT * slot + 2] = count;
    slots[SLOT * slot + 3] = place;
  }

  #grow(): void {
    const old = this.#slots;
    this.#slots = new Int32Array(2 * old.length);
    this.#mask = 2 * this.#mask + 1;
    for (let at = 0; at < old.length; at += SLOT) {
      if (old[at + 2] !== 0) this.#put(old[at]!, old[at + 1]!, old[at + 2]!, old[at + 3]!);
    }
  }

  #first(a: number, b: number): number {
    const mixed = a ^ Math.imul(b, 0x9e3779b1);
    return (mixed ^ (mixed >>> 15)) & this.#mask;
  }
}
