/** Indices in a seeded shuffled order that starts over, reshuffled, when all were given. */
import type { JsonValue } from '../native/json.ts';
import { Permutation } from './permutation.ts';

export class ShuffledCycle {
  readonly #size: number;
  readonly #seed: number;
  #given = 0;

  constructor(size: number, seed: number) {
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
    return this.#given;
  }

  restore(state: JsonValue): void {
    this.#given = state as number;
  }
}
