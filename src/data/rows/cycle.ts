/** Indices in a seeded shuffled order. After all of them it starts again in another order. */
import { AthanorError } from '../../base/errors.ts';
import type { JsonValue } from '../../base/json.ts';
import { Permutation } from '../permutation.ts';

export class ShuffledCycle {
  readonly #size: number;
  readonly #seed: number;
  /** Indices taken so far. */
  #given = 0;

  /** Throws ERR_ARGUMENT when there is nothing to shuffle. */
  constructor(size: number, seed: number) {
    if (!(size >= 1))
      throw new AthanorError('ERR_ARGUMENT', `there are ${size} items to shuffle`, 'give at least one');
    this.#size = size;
    this.#seed = seed;
  }

  /** The next `count` indices. */
  take(count: number): number[] {
    const first = this.#given;
    this.#given += count;
    return Array.from({ length: count }, (_, i) => this.#at(first + i));
  }

  #at(place: number): number {
    const round = Math.floor(place / this.#size);
    return new Permutation(this.#size, this.#seed, round).at(place % this.#size);
  }

  state(): JsonValue {
    return { given: this.#given, size: this.#size };
  }

  /** Throws ERR_MISMATCH when the state belongs to another number of items. */
  restore(state: JsonValue): void {
    const { given, size } = state as { given: number; size: number };
    if (size !== this.#size) {
      throw new AthanorError(
        'ERR_MISMATCH',
        `the run had ${size} rows to choose from and there are ${this.#size} now`,
        'resume with the data that it was started with',
      );
    }
    this.#given = given;
  }
}
