/**
 * Batches of indices in epochs: an epoch gives every index once, in a seeded order of its own, and
 * its last batch may be short. An update never reaches into the next epoch: where an epoch ends
 * within the batches of an update, the others are empty. The order is global: of the places that w
 * ranks take together, rank r takes r, r + w, ...
 */
import { AthanorError } from '../../base/errors.ts';
import type { JsonValue } from '../../base/json.ts';
import type { Ranks } from '../../comm/communicator.ts';
import { selfCommunicator } from '../../comm/self-communicator.ts';
import { Permutation } from '../permutation.ts';
import { otherRows, requireSameRows } from './row-digest.ts';

export interface EpochBatchesOptions {
  /** Indices per batch on this rank. */
  batchSize: number;
  /** Batches per update. Default 1. */
  gradAccum?: number | undefined;
  seed: number;
  /** The ranks that share each batch. Default: only this process. */
  communicator?: Ranks | undefined;
  /** The digest of the rows, called once. Default: rows are told apart by their number alone. */
  digest?: (() => string) | undefined;
}

export class EpochBatches {
  /** Updates that take all indices once; the last one may take fewer. */
  readonly updatesPerEpoch: number;
  readonly #size: number;
  readonly #seed: number;
  readonly #ranks: Ranks;
  /** Indices that all ranks take together in a batch. */
  readonly #globalBatch: number;
  readonly #gradAccum: number;
  /** Indices that all ranks have taken together. */
  #given = 0;
  /** Batches of the current update so far. */
  #batches = 0;
  readonly #digest: (() => string) | undefined;
  #rows: string | undefined;

  /** Throws ERR_ARGUMENT when there is nothing to shuffle. */
  constructor(
    size: number,
    { batchSize, gradAccum = 1, seed, communicator = selfCommunicator, digest }: EpochBatchesOptions,
  ) {
    if (!(size >= 1))
      throw new AthanorError('ERR_ARGUMENT', `there are ${size} items to shuffle`, 'give at least one');
    this.#size = size;
    this.#seed = seed;
    this.#ranks = communicator;
    this.#globalBatch = batchSize * communicator.size;
    this.#gradAccum = gradAccum;
    this.#digest = digest;
    this.updatesPerEpoch = Math.ceil(size / (this.#globalBatch * gradAccum));
  }

  /** Epochs that are done, the share of the current one included. */
  get epochsDone(): number {
    return this.#given / this.#size;
  }

  /** The indices of this rank's next batch; empty where the epoch has none left for it. */
  next(): number[] {
    if (this.#batches === this.#gradAccum) this.#batches = 0;
    const place = this.#given % this.#size;
    const isOver = this.#batches > 0 && place === 0;
    this.#batches += 1;
    if (isOver) return [];
    const order = new Permutation(this.#size, this.#seed, Math.floor(this.#given / this.#size));
    const count = Math.min(this.#globalBatch, this.#size - place);
    this.#given += count;
    const { rank, size } = this.#ranks;
    const own: number[] = [];
    for (let i = rank; i < count; i += size) own.push(order.at(place + i));
    return own;
  }

  /** The place after the last update. */
  state(): JsonValue {
    this.#rows ??= this.#digest?.();
    return { given: this.#given, size: this.#size, ...(this.#rows !== undefined && { rows: this.#rows }) };
  }

  /**
   * Continues from the place that state() gave after an update. The number of ranks, the batch size
   * and the batches per update may differ. Throws ERR_MISMATCH when the state is of other rows.
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
