/** Indices in a seeded shuffled order that starts over, reshuffled, when all were given. */
import { AthanorError } from '../../base/errors.ts';
import type { JsonValue } from '../../base/json.ts';
import { Permutation } from '../permutation.ts';

export class ShuffledCycle {
  readonly #size: number;
  readonly #seed: number;
  #given = 0;

  /** Throws ERR_ARGUMENT without anything to shuffle. */
  constructor(size: number, seed: number) {
    if (!(size >= 1))
      throw new AthanorError('ERR_ARGUMENT', `there are ${size} items to shuffle`, 'give one at least');
    this.#size = size;
    this.#seed = seed;
  }

  next(): number {
    const round = Math.floor(this.#given / this.#size);
    const index = new Permutation(this.#size, this.#seed, round).at(this.#given % this.#size);
    this.#given += 1;
    return index;
  }

  state(): JsonValue {
    return { given: this.#given, size: this.#size };
  }

  /** Throws ERR_MISMATCH when it was of another number of items. */
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
