/**
 * A seeded permutation of [0, size) by formula: a Feistel network on the smallest even number of
 * bits that holds the range, applied again until the result lies in the range (Black and Rogaway,
 * 2002). It needs no array, so a corpus of any length is shuffled in constant memory. It gives the
 * number at any place directly, which a resumed run needs.
 */

import { mix } from '../base/random.ts';

// Theory asks for at least four rounds. On ranges of a few bits only more rounds mix well.
const ROUNDS = 8;

export class Permutation {
  readonly #size: number;
  readonly #halfBits: number;
  readonly #keys: number[];

  /** @param stream distinguishes permutations of one seed, such as those of epochs */
  constructor(size: number, seed: number, stream: number) {
    this.#size = size;
    this.#halfBits = Math.max(1, Math.ceil(Math.log2(Math.max(2, size)) / 2));
    this.#keys = Array.from({ length: ROUNDS }, (_, round) => mix(mix(seed, stream), round + 1));
  }

  /** The number at a place of the permuted order. */
  at(index: number): number {
    let value = index;
    do value = this.#scramble(value);
    while (value >= this.#size);
    return value;
  }

  #scramble(value: number): number {
    const half = 2 ** this.#halfBits;
    let left = Math.floor(value / half);
    let right = value % half;
    for (const key of this.#keys) [left, right] = [right, (left ^ mix(right, key)) & (half - 1)];
    return left * half + right;
  }
}
