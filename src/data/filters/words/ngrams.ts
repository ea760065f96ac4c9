/** Repeated rows of words. Lengths are code points. */
import { HASH_A, HASH_B, LENGTH, SHIFT_A, SHIFT_B, WORD_FACTS, type WordTable } from './word-table.ts';

/** What there is to say about all rows of one number of words. Lengths are without blanks. */
export interface RowCounts {
  /** The length of the commonest row, and how often it stands there. Of equals the first counts. */
  topLength: number;
  topCount: number;
  /** Lengths of all rows that stand there more than once, each time counted. */
  repeatedLength: number;
  /** Lengths of all rows. */
  totalLength: number;
}

/** Counts rows of 2 words, then of 3, and so on. Rows are equal if their words are. */
export class CommonRows {
  readonly #words: Int32Array;
  readonly #lengths: Int32Array;
  /** By place: the number of the row that begins there. */
  #rows: Int32Array;
  /** By row: its first place, and how often it stands there. */
  readonly #firsts: Int32Array;
  #counts: Int32Array;
  readonly #slots: Int32Array;
  #n = 1;

  constructor(words: Int32Array, table: WordTable) {
    this.#words = words;
    this.#lengths = lengthsBefore(words, table);
    this.#rows = words;
    this.#firsts = new Int32Array(words.length);
    this.#counts = new Int32Array(words.length);
    this.#slots = new Int32Array(tableSize(words.length));
  }

  /** The counts of rows of one more word; undefined for a text of fewer words. */
  next(): RowCounts | undefined {
    this.#n += 1;
    const n = this.#n;
    const words = this.#words;
    const before = this.#rows;
    const countsBefore = this.#counts;
    const count = words.length - n + 1;
    if (count < 1) return undefined;
    const [rows, counts, firsts, slots] = [
      new Int32Array(count),
      new Int32Array(count),
      this.#firsts,
      this.#slots.fill(0),
    ];
    const mask = slots.length - 1;
    let known = 0;
    for (let i = 0; i < count; i++) {
      const head = before[i]!;
      // A row with a beginning that stands there once does not come again.
      let row = -1;
      if (n === 2 || countsBefore[head] !== 1) {
        const last = words[i + n - 1]!;
        let slot = slotOf(head, last) & mask;
        // 1 + the number of a row; 0 is free.
        row = slots[slot]! - 1;
        while (row >= 0) {
          const first = firsts[row]!;
          if (before[first] === head && words[first + n - 1] === last) break;
          slot = (slot + 1) & mask;
          row = slots[slot]! - 1;
        }
        if (row < 0) slots[slot] = known + 1;
      }
      if (row < 0) {
        row = known++;
        firsts[row] = i;
      }
      counts[row]!++;
      rows[i] = row;
    }
    this.#rows = rows;
    this.#counts = counts;
    return this.#sum(known);
  }

  #sum(known: number): RowCounts {
    const [counts, firsts] = [this.#counts, this.#firsts];
    let top = 0;
    let [repeatedLength, totalLength] = [0, 0];
    for (let row = 0; row < known; row++) {
      const count = counts[row]!;
      if (count > counts[top]!) top = row;
      const length = count * this.#lengthAt(firsts[row]!);
      totalLength += length;
      if (count > 1) repeatedLength += length;
    }
    return {
      topLength: this.#lengthAt(firsts[top]!),
      topCount: counts[top]!,
      repeatedLength,
      totalLength,
    };
  }

  #lengthAt(place: number): number {
    return this.#lengths[place + this.#n]! - this.#lengths[place]!;
  }
}

/**
 * The lengths of rows of words that stood before in the text. Rows are equal if their joined words
 * are, wherever these end.
 */
export class RepeatedRows {
  readonly #words: Int32Array;
  readonly #facts: Int32Array;
  /** By place: two hashes of the row of `#n` words that begins there. */
  readonly #hashes: Int32Array;
  readonly #lengths: Int32Array;
  readonly #slots: Int32Array;
  #n = 1;

  constructor(words: Int32Array, table: WordTable) {
    const { facts } = table;
    this.#words = words;
    this.#facts = facts;
    this.#hashes = new Int32Array(2 * words.length);
    this.#lengths = lengthsBefore(words, table);
    this.#slots = new Int32Array(tableSize(words.length));
    for (let i = 0; i < words.length; i++) {
      const at = words[i]! * WORD_FACTS;
      this.#hashes[2 * i] = facts[at + HASH_A]!;
      this.#hashes[2 * i + 1] = facts[at + HASH_B]!;
    }
  }

  /**
   * Code points in rows of `n` words that repeat an earlier one. After such a row the next n - 1
   * places are left out. Numbers have to rise from call to call.
   */
  length(n: number): number {
    if (n < this.#n) throw new RangeError(`rows of ${n} words come before those of ${this.#n}`);
    while (this.#n < n) this.#lengthen();
    const count = this.#words.length - n + 1;
    if (count < 2) return 0;
    const hashes = this.#hashes;
    /** 1 + the place of a row; 0 is free. */
    const slots = this.#slots.fill(0);
    const mask = slots.length - 1;
    let repeated = 0;
    for (let i = 0; i < count; ) {
      const [a, b] = [hashes[2 * i]!, hashes[2 * i + 1]!];
      let slot = slotOf(a, b) & mask;
      let other = slots[slot]!;
      while (other !== 0 && (hashes[2 * other - 2] !== a || hashes[2 * other - 1] !== b)) {
        slot = (slot + 1) & mask;
        other = slots[slot]!;
      }
      if (other === 0) {
        slots[slot] = i + 1;
        i += 1;
      } else {
        repeated += this.#lengths[i + n]! - this.#lengths[i]!;
        i += n;
      }
    }
    return repeated;
  }

  /** Each row gets one word more. */
  #lengthen(): void {
    const [hashes, facts, words, n] = [this.#hashes, this.#facts, this.#words, this.#n];
    for (let i = 0; i + n < words.length; i++) {
      const at = words[i + n]! * WORD_FACTS;
      hashes[2 * i] = Math.imul(hashes[2 * i]!, facts[at + SHIFT_A]!) + facts[at + HASH_A]!;
      hashes[2 * i + 1] = Math.imul(hashes[2 * i + 1]!, facts[at + SHIFT_B]!) + facts[at + HASH_B]!;
    }
    this.#n += 1;
  }
}

/** Code points of all words before a place. */
function lengthsBefore(words: Int32Array, { facts }: WordTable): Int32Array {
  const lengths = new Int32Array(words.length + 1);
  for (let i = 0; i < words.length; i++) {
    lengths[i + 1] = lengths[i]! + facts[words[i]! * WORD_FACTS + LENGTH]!;
  }
  return lengths;
}

/** A power of two that is at least half free with this many entries. */
function tableSize(entries: number): number {
  return 1 << (33 - Math.clz32(Math.max(entries, 8) - 1));
}

function slotOf(a: number, b: number): number {
  const x = Math.imul(a ^ Math.imul(b, 0x9e3779b1), 0x85ebca6b);
  return x ^ (x >>> 15);
}
