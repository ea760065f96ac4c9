/**
 * MinHash signatures: numbers by which the similarity of two texts can be estimated. They are those
 * of datatrove with its xxhash and the same options, bit by bit.
 */
import { checkCounts } from '../../base/check-count.ts';
import { AthanorError } from '../../base/errors.ts';
import { withDefaults } from '../../base/with-defaults.ts';
import { native } from '../../native/addon.ts';
import type { NativeMinHasher } from '../../native/binding/dedup.ts';

/** How texts are compared. */
export interface MinHashOptions {
  /** Words in a shingle. Default 5. */
  ngram?: number;
  /** Bands of a signature. Default 14. */
  bands?: number;
  /** Hashes of a band. Default 8. */
  rows?: number;
  /** Seed of the hashes, an unsigned 32-bit number. Default 1. */
  seed?: number;
}

export const minHashDefaults = { ngram: 5, bands: 14, rows: 8, seed: 1 } as const satisfies MinHashOptions;

const NONE = 2n ** 64n - 1n;
const MOST_SEED = 2 ** 32 - 1;

/** The options with their defaults. Throws ERR_ARGUMENT for one that is out of range. */
export function minHashSettings(options: MinHashOptions): Required<MinHashOptions> {
  const settings = withDefaults<Required<MinHashOptions>>(minHashDefaults, options);
  const { ngram, bands, rows, seed } = settings;
  checkCounts({ ngram, bands, rows });
  if (!Number.isInteger(seed) || seed < 0 || seed > MOST_SEED) {
    const message = `\`seed\` is ${seed}, which is no whole number from 0 to ${MOST_SEED}`;
    throw new AthanorError('ERR_ARGUMENT', message);
  }
  return settings;
}

export class MinHasher {
  readonly #native: NativeMinHasher;
  readonly #hashes: number;

  /** Throws ERR_ARGUMENT for options that are out of range, or over 65,536 hashes. */
  constructor(options: MinHashOptions = {}) {
    const { ngram, bands, rows, seed } = minHashSettings(options);
    this.#native = new native.NativeMinHasher(ngram, bands, rows, seed);
    this.#hashes = bands * rows;
  }

  /**
   * The signature `[bands * rows]` of each text, each value below 2^61 - 1. Undefined for a text
   * that has fewer words than a shingle. The texts are shared out among the engine's threads.
   */
  signatures(texts: readonly (string | Uint8Array)[]): (BigUint64Array | undefined)[] {
    const all = this.#native.sign(texts);
    return texts.map((_, i) => {
      const signature = all.subarray(i * this.#hashes, (i + 1) * this.#hashes);
      return signature[0] === NONE ? undefined : signature;
    });
  }
}

/**
 * The share of equal values of two signatures. It estimates the Jaccard similarity of the texts'
 * sets of shingles, with the standard error sqrt(s (1 - s) / values). Throws ERR_ARGUMENT for
 * signatures of two lengths.
 */
export function signatureSimilarity(a: BigUint64Array, b: BigUint64Array): number {
  if (a.length !== b.length || a.length === 0) {
    const message = `expected signatures of one length but got ${a.length} and ${b.length} values`;
    throw new AthanorError('ERR_ARGUMENT', message, 'sign both texts with the same options');
  }
  return a.reduce((equal, value, i) => equal + (value === b[i] ? 1 : 0), 0) / a.length;
}

/**
 * The probability that two texts of this Jaccard similarity share a band: 1 - (1 - s^rows)^bands.
 */
export function matchProbability(similarity: number, options: MinHashOptions = {}): number {
  const { bands, rows } = minHashSettings(options);
  return 1 - (1 - similarity ** rows) ** bands;
}

/** The words of a text as signatures and decontamination compare them, with a space between two. */
export function comparedWords(text: string): string {
  return native.comparedWords(text);
}
