/**
 * Finds texts that are nearly the same. Candidates share a band of their MinHash signatures
 * (Broder, 1997); the similarity itself is computed exactly. Two texts with a Jaccard similarity of
 * 0.95 are found with a probability of 0.9998, the same ones in every run.
 */
import { mix } from '../../base/random.ts';

const SHINGLE = 5;
const HASHES = 64;
const ROWS_PER_BAND = 8;

/** Lower case, and one space for whatever stands between letters and digits. */
export function normalized(text: string): string {
  return text
    .normalize('NFKC')
    .toLowerCase()
    .replace(/[^\p{L}\p{N}\p{S}]+/gu, ' ')
    .trim();
}

/** Hashes of the parts of five characters. Equal parts of different texts of one item differ. */
function shingles(texts: readonly string[]): Set<number> {
  const all = new Set<number>();
  texts.forEach((text, place) => {
    const characters = normalized(text);
    const last = Math.max(0, characters.length - SHINGLE);
    for (let at = 0; at <= last; ++at) {
      let hash = place + 1;
      for (let i = at; i < Math.min(at + SHINGLE, characters.length); ++i) {
        hash = mix(hash, characters.charCodeAt(i));
      }
      all.add(hash);
    }
  });
  return all;
}

/** Shared members divided by all members. */
function jaccard(a: ReadonlySet<number>, b: ReadonlySet<number>): number {
  let shared = 0;
  for (const member of a) if (b.has(member)) ++shared;
  return shared / (a.size + b.size - shared);
}

export class NearDuplicates {
  readonly #threshold: number;
  readonly #bands = new Map<string, number[]>();
  readonly #exact = new Map<string, number>();
  readonly #members: Set<number>[] = [];

  /** @param threshold similarity from which items count as the same; 1: only equal texts */
  constructor(threshold: number) {
    this.#threshold = threshold;
  }

  /**
   * The number of the first item that is nearly the same, or a new number for an item without one.
   * Texts are compared with those at the same place.
   */
  place(texts: readonly string[]): { number: number; isNew: boolean } {
    const key = JSON.stringify(texts.map(normalized));
    const same = this.#exact.get(key);
    if (same !== undefined) return { number: same, isNew: false };
    const members = shingles(texts);
    const bands = this.#threshold < 1 ? bandsOf(members) : [];
    const near = this.#nearest(members, bands);
    const number = near ?? this.#members.length;
    this.#exact.set(key, number);
    if (near !== undefined) return { number, isNew: false };
    this.#members.push(members);
    for (const band of bands) {
      const others = this.#bands.get(band);
      if (others) others.push(number);
      else this.#bands.set(band, [number]);
    }
    return { number, isNew: true };
  }

  #nearest(members: ReadonlySet<number>, bands: readonly string[]): number | undefined {
    const candidates = new Set(bands.flatMap((band) => this.#bands.get(band) ?? []));
    return [...candidates]
      .sort((a, b) => a - b)
      .find((other) => jaccard(members, this.#members[other]!) >= this.#threshold);
  }
}

function bandsOf(members: ReadonlySet<number>): string[] {
  const least = new Uint32Array(HASHES).fill(0xffffffff);
  for (const member of members) {
    for (let i = 0; i < HASHES; ++i) {
      const hash = Math.imul(member ^ mixers[2 * i]!, mixers[2 * i + 1]!) >>> 0;
      const spread = (hash ^ (hash >>> 15)) >>> 0;
      if (spread < least[i]!) least[i] = spread;
    }
  }
  const bands: string[] = [];
  for (let from = 0; from < HASHES; from += ROWS_PER_BAND) {
    bands.push(`${from}:${least.subarray(from, from + ROWS_PER_BAND).join(',')}`);
  }
  return bands;
}

/** A number to combine with and an odd factor for each hash. */
const mixers = Array.from({ length: 2 * HASHES }, (_, i) => (i % 2 === 0 ? mix(1, i) : mix(2, i) | 1));
