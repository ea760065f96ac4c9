/** Repeated rows of words, as Gopher's rules count them in datatrove. Lengths are code points. */
import type { WordTable } from './word-table.ts';

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

/** Counts rows of 2 words, then of 3, and so on. */
export class CommonRows {
  readonly #words: Int32Array;
  /** Code points of all words before a place. */
  readonly #lengths: Int32Array;
  /** By place: the number of the row that begins there. */
  #rows: Int32Array;
  #n = 1;

  constructor(words: Int32Array, { lengths }: WordTable) {
    this.#words = words;
    this.#lengths = new Int32Array(words.length + 1);
    for (let i = 0; i < words.length; i++) {
      this.#lengths[i + 1] = this.#lengths[i]! + lengths[words[i]!]!;
    }
    this.#rows = words;
  }

  /** The counts of rows of one more word; undefined for a text of fewer words. */
  next(): RowCounts | undefined {
    this.#n += 1;
    const n = this.#n;
    const words = this.#words;
    const before = this.#rows;
    const count = words.length - n + 1;
    if (count < 1) return undefined;
    const rows = new Int32Array(count);
    const firsts = new Int32Array(count);
    const counts = new Int32Array(count);
    const slots = new Int32Array(tableSize(count));
    const mask = slots.length - 1;
    let known = 0;
    for (let i = 0; i < count; i++) {
      const head = before[i]!;
      const last = words[i + n - 1]!;
      let slot = slotOf(head, last) & mask;
      // 1 + the number of a row; 0 is free.
      let row = slots[slot]! - 1;
      while (row >= 0) {
        const first = firsts[row]!;
        if (before[first] === head && words[first + n - 1] === last) break;
        slot = (slot + 1) & mask;
        row = slots[slot]! - 1;
      }
      if (row < 0) {
        row = known++;
        slots[slot] = known;
        firsts[row] = i;
      }
      counts[row]!++;
      rows[i] = row;
    }
    this.#rows = rows;
    return this.#sum(firsts, counts, known);
  }

  #sum(firsts: Int32Array, counts: Int32Array, known: number): RowCounts {
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

/** The lengths of rows of words that stood before in the text. Words are joined without blanks. */
export class RepeatedRows {
  readonly #words: Int32Array;
  readonly #table: WordTable;
  /** By place: two hashes of the row of `#n` words that begins there. */
  readonly #a: Int32Array;
  readonly #b: Int32Array;
  /** Code points of all words before a place. */
  readonly #lengths: Int32Array;
  #n = 1;

  constructor(words: Int32Array, table: WordTable) {
    const { hashA, hashB, lengths } = table;
    this.#words = words;
    this.#table = table;
    this.#a = new Int32Array(words.length);
    this.#b = new Int32Array(words.length);
    this.#lengths = new Int32Array(words.length + 1);
    for (let i = 0; i < words.length; i++) {
      const word = words[i]!;
      this.#a[i] = hashA[word]!;
      this.#b[i] = hashB[word]!;
      this.#lengths[i + 1] = this.#lengths[i]! + lengths[word]!;
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
    const [a, b] = [this.#a, this.#b];
    const size = tableSize(count);
    const mask = size - 1;
    /** 1 + the place of a row; 0 is free. */
    const slots = new Int32Array(size);
    let repeated = 0;
    for (let i = 0; i < count; ) {
      let slot = slotOf(a[i]!, b[i]!) & mask;
      let other = slots[slot]!;
      while (other !== 0 && (a[other - 1] !== a[i] || b[other - 1] !== b[i])) {
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
    const { hashA, hashB, shiftA, shiftB } = this.#table;
    const [a, b, words, n] = [this.#a, this.#b, this.#words, this.#n];
    for (let i = 0; i + n < words.length; i++) {
      const word = words[i + n]!;
      a[i] = Math.imul(a[i]!, shiftA[word]!) + hashA[word]!;
      b[i] = Math.imul(b[i]!, shiftB[word]!) + hashB[word]!;
    }
    this.#n += 1;
  }
}

/** A power of two that is at least half free with this many entries. */
function tableSize(entries: number): number {
  return 1 << (33 - Math.clz32(Math.max(entries, 8) - 1));
}

function slotOf(a: number, b: number): number {
  const x = Math.imul(a ^ Math.imul(b, 0x9e3779b1), 0x85ebca6b);
  return x ^ (x >>> 15);
}
