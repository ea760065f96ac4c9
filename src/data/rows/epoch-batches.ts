/**
 * Batches of indices in epochs: an epoch gives every index once, in a seeded order of its own, and
 * its last batch may be short. An update never reaches into the next epoch: where an epoch ends
 * within the batches of an update, the others are empty. Ranks share the batches of an update, and
 * each skips those of the others.
 */
import { AthanorError } from '../../base/errors.ts';
import type { JsonValue } from '../../base/json.ts';
import { Permutation } from '../permutation.ts';
import { otherRows, requireSameRows } from './row-digest.ts';

export interface EpochBatchesOptions {
  /** Indices per batch. */
  batchSize: number;
  /** Batches per update. Default 1. */
  gradAccum?: number | undefined;
  seed: number;
  /** The digest of the rows, called once. Default: rows are told apart by their number alone. */
  digest?: (() => string) | undefined;
}

export class EpochBatches {
  /** Updates that take all indices once; the last one may take fewer. */
  readonly updatesPerEpoch: number;
  readonly #size: number;
  readonly #seed: number;
  readonly #batchSize: number;
  readonly #gradAccum: number;
  /** Indices so far. */
  #given = 0;
  /** Batches of the current update so far. */
  #batches = 0;
  readonly #digest: (() => string) | undefined;
  #rows: string | undefined;

  /** Throws ERR_ARGUMENT when there is nothing to shuffle. */
  constructor(size: number, { batchSize, gradAccum = 1, seed, digest }: EpochBatchesOptions) {
    if (!(size >= 1))
      throw new AthanorError('ERR_ARGUMENT', `there are ${size} items to shuffle`, 'give at least one');
    this.#size = size;
    this.#seed = seed;
    this.#batchSize = batchSize;
    this.#gradAccum = gradAccum;
    this.#digest = digest;
    this.updatesPerEpoch = Math.ceil(size / (batchSize * gradAccum));
  }

  /** Epochs that are done, the share of the current one included. */
  get epochsDone(): number {
    return this.#given / this.#size;
  }

  /** Passes over the next batch. */
  skip(): void {
    this.#take();
  }

  /** The indices of the next batch; empty where the epoch has none left for it. */
  next(): number[] {
    const { place, count, epoch } = this.#take();
    const order = new Permutation(this.#size, this.#seed, epoch);
    return Array.from({ length: count }, (_, i) => order.at(place + i));
  }

  /** The places of the next batch in its epoch. */
  #take(): { place: number; count: number; epoch: number } {
    if (this.#batches === this.#gradAccum) this.#batches = 0;
    const place = this.#given % this.#size;
    const isOver = this.#batches > 0 && place === 0;
    this.#batches += 1;
    const epoch = Math.floor(this.#given / this.#size);
    const count = isOver ? 0 : Math.min(this.#batchSize, this.#size - place);
    this.#given += count;
    return { place, count, epoch };
  }

  /** The place after the last update. */
  state(): JsonValue {
    this.#rows ??= this.#digest?.();
    return { given: this.#given, size: this.#size, ...(this.#rows !== undefined && { rows: this.#rows }) };
  }

  /**
   * Continues from the place that state() gave after an update. The batch size and the batches per
   * update may differ. Throws ERR_MISMATCH when the state is of other rows.
   */
  restore(state: JsonValue): void {
    const { given, size, rows } = state as { given: number; size: number; rows?: string };
    const now = this.state() as { rows?: string };
    if (size !== this.#size) {
      throw otherRows(`the run had ${size} rows to choose from and there are ${this.#size} now`);
    }
    requireSameRows(rows, now.rows);
    this.#given = given;
    this.#batches = 0;
  }
}
