/**
 * Batches of supervised examples. An epoch takes every example once in a seeded order; packed, examples fill bins of
 * `context` tokens, and since a token sees its own example only, packing changes how many go into a batch and no loss.
 */

import { AthanorError } from '../native/errors.ts';
import type { JsonObject, JsonValue } from '../native/json.ts';
import { bestFitPack } from './packing.ts';
import { Permutation } from './permutation.ts';
import type { SupervisedExample } from './supervised-examples.ts';
import type { PackedTokens } from './token-loader.ts';

export interface ExampleLoaderOptions {
  /** Bins of a batch when packing, else examples. */
  batchSize: number;
  /** Tokens of a bin. */
  context: number;
  packing: boolean;
  seed: number;
}

export class ExampleLoader {
  readonly #examples: readonly SupervisedExample[];
  readonly #options: ExampleLoaderOptions;
  /** What is shuffled: bins of examples, or examples one by one. */
  readonly #units: readonly (readonly number[])[];
  readonly batchesPerEpoch: number;
  #epoch = 0;
  /** Batches of this epoch given. */
  #batch = 0;

  /** Throws ERR_ARGUMENT without examples. */
  constructor(examples: readonly SupervisedExample[], options: ExampleLoaderOptions) {
    if (examples.length === 0) {
      throw new AthanorError(
        'ERR_ARGUMENT',
        'there is no example to learn from',
        'check the data and --context',
      );
    }
    this.#examples = examples;
    this.#options = options;
    this.#units = options.packing
      ? bestFitPack(
          examples.map(({ tokens }) => tokens.length),
          options.context,
        )
      : examples.map((_, i) => [i]);
    this.batchesPerEpoch = Math.ceil(this.#units.length / options.batchSize);
  }

  get epoch(): number {
    return this.#epoch;
  }

  next(): PackedTokens {
    const { batchSize, seed } = this.#options;
    const order = new Permutation(this.#units.length, seed, this.#epoch);
    const first = this.#batch * batchSize;
    const end = Math.min(first + batchSize, this.#units.length);
    const chosen: SupervisedExample[] = [];
    for (let i = first; i < end; ++i) {
      for (const index of this.#units[order.at(i)]!) chosen.push(this.#examples[index]!);
    }
    this.#batch += 1;
    if (this.#batch === this.batchesPerEpoch) {
      this.#batch = 0;
      this.#epoch += 1;
    }
    return packExamples(chosen);
  }

  state(): JsonValue {
    return { epoch: this.#epoch, batch: this.#batch, examples: this.#examples.length };
  }

  /** Throws ERR_MISMATCH when the examples are not those of the run. */
  restore(state: JsonValue): void {
    const saved = state as JsonObject;
    if (saved.examples !== this.#examples.length) {
      throw new AthanorError(
        'ERR_MISMATCH',
        `the run had ${String(saved.examples)} examples and the data has ${this.#examples.length} now`,
        'resume with the data that it was started with',
      );
    }
    this.#epoch = saved.epoch as number;
    this.#batch = saved.batch as number;
  }
}

/** Examples end to end. */
export function packExamples(examples: readonly SupervisedExample[]): PackedTokens {
  const total = examples.reduce((sum, { tokens }) => sum + tokens.length, 0);
  const packed = {
    tokens: new Int32Array(total),
    targets: new Int32Array(total),
    positions: new Int32Array(total),
    cuSeqlens: new Int32Array(examples.length + 1),
  };
  examples.forEach(({ tokens, targets }, i) => {
    const start = packed.cuSeqlens[i]!;
    packed.tokens.set(tokens, start);
    packed.targets.set(targets, start);
    for (let j = 0; j < tokens.length; ++j) packed.positions[start + j] = j;
    packed.cuSeqlens[i + 1] = start + tokens.length;
  });
  return packed;
}
