/**
 * Batches of supervised examples. An epoch takes every example once, in a seeded order. With
 * packing, examples fill bins of `context` tokens. A token attends to its own example only, so
 * packing changes the number of examples per batch but no loss. Ranks share batches, and each skips
 * those of the others.
 */
import { createHash } from 'node:crypto';
import { isDeepStrictEqual } from 'node:util';
import { AthanorError } from '../../base/errors.ts';
import type { JsonObject, JsonValue } from '../../base/json.ts';
import { Permutation } from '../permutation.ts';
import type { PackedTokens } from '../token-batch.ts';
import { bestFitPack } from './packing.ts';
import type { SupervisedExample } from './supervised-examples.ts';

/** How examples become batches. */
export interface ExampleLoaderOptions {
  /** Bins per batch, or without packing examples. */
  batchSize: number;
  /**
   * Batches per update. An update never reaches into the next epoch: where an epoch ends within it,
   * the other batches have nothing to learn. Default 1.
   */
  gradAccum?: number | undefined;
  /** Tokens per bin, and the most tokens in an example. */
  context: number;
  /** Whether several examples share a bin. */
  packing: boolean;
  /** The seed of the order. */
  seed: number;
}

/** A batch after the last unit of an epoch: one token without a target adds nothing to a loss. */
const NOTHING_TO_LEARN: SupervisedExample = { tokens: Int32Array.of(0), targets: Int32Array.of(-100) };

/** Gives batches, epoch after epoch. */
export class ExampleLoader {
  readonly #examples: readonly SupervisedExample[];
  readonly #options: ExampleLoaderOptions;
  /** Updates per epoch, the same in every epoch. The last may be short. */
  readonly updatesPerEpoch: number;
  /** Batches per epoch, those without anything to learn included. */
  readonly batchesPerEpoch: number;
  /** The bins of this epoch, or single examples, as lists of indices of examples. */
  #units: number[][];
  #epoch = 0;
  /** Units of this epoch so far. */
  #taken = 0;
  /** Batches of the current update so far. */
  #batches = 0;
  #digest: string | undefined;

  /**
   * Throws ERR_ARGUMENT when there are no examples, and for one that is longer than the context.
   */
  constructor(examples: readonly SupervisedExample[], options: ExampleLoaderOptions) {
    if (examples.length === 0) {
      throw new AthanorError(
        'ERR_ARGUMENT',
        'there is no example to learn from',
        'check the data and `context`',
      );
    }
    const tooLong = examples.find(({ tokens }) => tokens.length > options.context);
    if (tooLong) {
      throw new AthanorError(
        'ERR_ARGUMENT',
        `an example has ${tooLong.tokens.length} tokens and the context is ${options.context}`,
        'cut it, or leave it out',
      );
    }
    this.#examples = examples;
    this.#options = options;
    this.#units = this.#unitsOf(0);
    // The lengths alone decide the number of bins, so it is the same in every epoch.
    const { batchSize, gradAccum = 1 } = options;
    this.updatesPerEpoch = Math.ceil(this.#units.length / (batchSize * gradAccum));
    this.batchesPerEpoch = this.updatesPerEpoch * gradAccum;
  }

  /** Epochs completed. */
  get epoch(): number {
    return this.#epoch;
  }

  /** Epochs that are done, the share of the current one included. */
  get epochsDone(): number {
    return this.#epoch + Math.min(1, this.#taken / this.#units.length);
  }

  /** The next batch. */
  next(): PackedTokens {
    const units = this.#units.slice(this.#taken, this.#taken + this.#options.batchSize);
    const examples = units.flat().map((index) => this.#examples[index]!);
    this.skip();
    // The last batches of an epoch may have no unit.
    return packExamples(examples.length > 0 ? examples : [NOTHING_TO_LEARN]);
  }

  /** Passes over the next batch. */
  skip(): void {
    this.#taken += this.#options.batchSize;
    this.#batches += 1;
    const isUpdate = this.#batches === (this.#options.gradAccum ?? 1);
    if (isUpdate) this.#batches = 0;
    if (isUpdate && this.#taken >= this.#units.length) {
      this.#taken = 0;
      this.#epoch += 1;
      this.#units = this.#unitsOf(this.#epoch);
    }
  }

  /** The place in the data after the last update, for a checkpoint. */
  state(): JsonValue {
    this.#digest ??= digestOf(this.#examples);
    const { context, packing, seed } = this.#options;
    return {
      epoch: this.#epoch,
      taken: this.#taken,
      of: { examples: this.#digest, context, packing, seed },
    };
  }

  /**
   * Continues from the place that state() gave after an update. The batch size and the batches per
   * update may differ. Throws ERR_MISMATCH when the examples or the options
   * that order them differ from those of the run.
   */
  restore(state: JsonValue): void {
    const saved = state as JsonObject;
    const now = this.state() as JsonObject;
    // Checkpoints of before count batches of a size that they name.
    const { batchSize, ...of } = saved.of as JsonObject;
    if (!isDeepStrictEqual(of, now.of)) {
      throw new AthanorError(
        'ERR_MISMATCH',
        `the run had other examples, or gave them in another order: ${JSON.stringify(saved.of)}, now ${JSON.stringify(now.of)}`,
        'resume with the data that it was started with',
      );
    }
    const taken = saved.taken ?? (saved.batch as number) * (batchSize as number);
    if (!Number.isSafeInteger(taken)) throw new TypeError('the loader has no place in the data');
    this.#epoch = saved.epoch as number;
    this.#taken = taken as number;
    this.#batches = 0;
    this.#units = this.#unitsOf(this.#epoch);
  }

  /** The units of an epoch in order. Each epoch packs anew, so its bins hold other combinations. */
  #unitsOf(epoch: number): number[][] {
    const { seed, packing, context } = this.#options;
    const shuffled = shuffledIndices(this.#examples.length, seed, 2 * epoch);
    if (!packing) return shuffled.map((index) => [index]);
    const bins = bestFitPack(
      shuffled.map((index) => this.#examples[index]!.tokens.length),
      context,
    );
    const order = shuffledIndices(bins.length, seed, 2 * epoch + 1);
    return order.map((bin) => bins[bin]!.map((place) => shuffled[place]!));
  }
}

function shuffledIndices(count: number, seed: number, stream: number): number[] {
  const permutation = new Permutation(count, seed, stream);
  return Array.from({ length: count }, (_, i) => permutation.at(i));
}

function digestOf(examples: readonly SupervisedExample[]): string {
  const hash = createHash('sha256');
  for (const { tokens, targets } of examples) {
    hash.update(Int32Array.of(tokens.length)).update(tokens).update(targets);
  }
  return hash.digest('hex');
}

/** Joins examples end to end, each as a sequence of its own. */
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
