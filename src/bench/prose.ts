/**
 * Text for benchmarks that train, without a download: made-up words, whose frequencies are those of
 * a real text (Zipf).
 */

import type { JsonObject } from '../base/json.ts';
import { mix } from '../base/random.ts';

const WORDS = 8000;
const syllables = 'ba ko ri te lun mar so di pel gra vin tho eck ju sam'.split(' ');

export class Prose {
  #draws = 0;

  constructor(readonly seed: number) {}

  /** Documents of 50 to 400 words, as rows of a JSONL corpus. */
  documents(count: number): JsonObject[] {
    return Array.from({ length: count }, () => ({ text: this.#words(50, 400) }));
  }

  /** Questions of 4 to 24 words with answers of 8 to 120 words, as rows of instructions. */
  instructions(count: number): JsonObject[] {
    return Array.from({ length: count }, () => ({
      prompt: this.#words(4, 24),
      completion: this.#words(8, 120),
    }));
  }

  #words(least: number, most: number): string {
    const count = least + Math.floor(this.#uniform() * (most - least + 1));
    // The logarithm of a word's rank is uniform: frequencies fall as 1 / rank.
    return Array.from({ length: count }, () => word(Math.floor(WORDS ** this.#uniform()))).join(' ');
  }

  #uniform(): number {
    this.#draws += 1;
    return mix(this.seed, this.#draws) / 2 ** 32;
  }
}

function word(rank: number): string {
  let text = '';
  for (let rest = rank; rest > 0; rest = Math.floor(rest / syllables.length)) {
    text += syllables[rest % syllables.length];
  }
  return text;
}
