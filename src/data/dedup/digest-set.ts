/** Bytes of a digest that count. */
export const DIGEST_BYTES = 16;

/**
 * A set of 128-bit digests with 16 bytes per place. A Set of JavaScript would take about a hundred
 * bytes per digest and hold at most 2^24. Open addressing with linear probing; at most half of the
 * places are filled.
 */
export class DigestSet {
  #words: Uint32Array;
  #capacity: number;
  #size = 0;

  /** @param capacity number of places at the start, a power of two */
  constructor(capacity = 1 << 12) {
    this.#capacity = capacity;
    this.#words = new Uint32Array(capacity * 4);
  }

  get size(): number {
    return this.#size;
  }

  /**
   * Adds a digest, of which the first 16 bytes count. Returns false when it was in the set already.
   */
  add(digest: Buffer): boolean {
    // A place of zeros is empty, so a digest must not begin with 32 zero bits.
    const a = digest.readUInt32LE(0) || 1;
    const [b, c, d] = [digest.readUInt32LE(4), digest.readUInt32LE(8), digest.readUInt32LE(12)];
    const at = this.#place(a, b, c, d);
    if (this.#words[at] !== 0) return false;
    this.#words.set([a, b, c, d], at);
    this.#size += 1;
    if (this.#size * 2 > this.#capacity) this.#grow();
    return true;
  }

  /** Whether the set has a digest, of which the first 16 bytes count. */
  has(digest: Buffer): boolean {
    const a = digest.readUInt32LE(0) || 1;
    const [b, c, d] = [digest.readUInt32LE(4), digest.readUInt32LE(8), digest.readUInt32LE(12)];
    return this.#words[this.#place(a, b, c, d)] !== 0;
  }

  /** The 16 bytes of each digest, in an order that follows from the order of adding. */
  *digests(): Generator<Buffer> {
    for (let at = 0; at < this.#words.length; at += 4) {
      if (this.#words[at] === 0) continue;
      const digest = Buffer.allocUnsafe(DIGEST_BYTES);
      for (let i = 0; i < 4; i++) digest.writeUInt32LE(this.#words[at + i]!, i * 4);
      yield digest;
    }
  }

  /** The index of the words of this digest, or of the empty place for it. */
  #place(a: number, b: number, c: number, d: number): number {
    const words = this.#words;
    for (let i = b & (this.#capacity - 1); ; i = (i + 1) & (this.#capacity - 1)) {
      const at = i * 4;
      if (words[at] === 0) return at;
      if (words[at] === a && words[at + 1] === b && words[at + 2] === c && words[at + 3] === d) return at;
    }
  }

  #grow(): void {
    const old = this.#words;
    this.#capacity *= 2;
    this.#words = new Uint32Array(this.#capacity * 4);
    for (let at = 0; at < old.length; at += 4) {
      if (old[at] === 0) continue;
      const place = this.#place(old[at]!, old[at + 1]!, old[at + 2]!, old[at + 3]!);
      this.#words.set(old.subarray(at, at + 4), place);
    }
  }
}
