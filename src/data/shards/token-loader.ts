/**
 * Batches of windows of context + 1 ids over the whole split as one row. An epoch visits every
 * window once in a seeded permuted order and starts at an offset of its own, so that a document is
 * not always cut in the same place. The order is global: a cursor counts windows over all ranks,
 * rank r of w takes windows cursor + r, cursor + r + w, ... A run continues from a cursor on any
 * number of ranks and with any batch size.
 */
import { AthanorError } from '../../base/errors.ts';
import { mix } from '../../base/random.ts';
import { type Ranks, selfCommunicator } from '../../comm/communicator.ts';
import { Permutation } from '../permutation.ts';
import type { PackedTokens } from '../token-batch.ts';
import type { Split } from './manifest.ts';
import type { TokenDataset } from './token-dataset.ts';

export interface TokenLoaderOptions {
  /** Default train. */
  split?: Split;
  /** Windows of a batch on this rank. */
  batchSize: number;
  /** Ids of a window that the model sees. */
  context: number;
  seed: number;
  /** Default true. */
  shuffle?: boolean;
  /** Tokens attend to their own document only, and positions restart with each. Default true. */
  documentMask?: boolean;
  /** Whose windows to take. Default: all of them, as the only rank. */
  communicator?: Ranks;
}

/** `n` is batchSize * context; sequences are windows, or documents within windows. */
export interface TokenWindows extends PackedTokens {
  /** Windows that all ranks had taken before this batch. */
  cursor: number;
}

/** Where a run is in its data, and the options that this depends on; the same on every rank. */
export interface LoaderState {
  /** Windows taken so far, over all ranks. */
  cursor: number;
  /** Fingerprint of the split. */
  data: string;
  context: number;
  seed: number;
  shuffle: boolean;
}

/**
 * Tells the random offset of an epoch apart from its permutation, which comes from the same seed.
 */
const SHIFT_STREAM = 0x5f;

export class TokenLoader {
  readonly #dataset: TokenDataset;
  readonly #options: Required<TokenLoaderOptions>;
  readonly #windows: number;
  #cursor = 0;
  #order: { epoch: number; shift: number; permutation: Permutation | undefined } | undefined;

  /** Throws ERR_ARGUMENT for an option out of range, and when the split holds no whole window. */
  constructor(dataset: TokenDataset, options: TokenLoaderOptions) {
    this.#dataset = dataset;
    const defaults = {
      split: 'train',
      shuffle: true,
      documentMask: true,
      communicator: selfCommunicator,
    } as const;
    this.#options = { ...defaults, ...options };
    checkOptions(this.#options);
    const { context, split } = this.#options;
    const tokens = dataset.tokens(split);
    // Where there is enough, one context less than fits: an epoch can start at as many offsets.
    const shifted = tokens >= 2 * context;
    this.#windows = Math.floor((shifted ? tokens - context : tokens - 1) / context);
    if (this.#windows < 1) {
      throw new AthanorError(
        'ERR_ARGUMENT',
        `the ${split} split of ${dataset.folder} has ${tokens} tokens, fewer than one window of ${context + 1}`,
        'lower `context` or prepare more text',
      );
    }
  }

  /** Windows of an epoch, over all ranks. */
  get windows(): number {
    return this.#windows;
  }

  /** Passes over the split that are complete. */
  get epoch(): number {
    return Math.floor(this.#cursor / this.#windows);
  }

  next(): TokenWindows {
    const { batchSize, context, communicator } = this.#options;
    const { rank, size } = communicator;
    const cursor = this.#cursor;
    const rows = Array.from({ length: batchSize }, (_, i) => this.#window(cursor + rank + i * size));
    this.#cursor += batchSize * size;
    const separator = this.#options.documentMask ? this.#dataset.manifest.eos_id : undefined;
    return { ...packRows(rows, batchSize * context, separator), cursor };
  }

  state(): LoaderState {
    const { context, seed, shuffle, split } = this.#options;
    return { cursor: this.#cursor, data: this.#dataset.fingerprint(split), context, seed, shuffle };
  }

  /**
   * Continues where a loader left off; ranks and batch size may differ. Throws ERR_MISMATCH when
   * the data or an option that decides the order is another, and ERR_FORMAT for a state that is
   * none.
   */
  restore(state: LoaderState): void {
    const now = this.state();
    if (!Number.isSafeInteger(state.cursor) || state.cursor < 0)
      throw new AthanorError(
        'ERR_FORMAT',
        `the saved place in the data, ${state.cursor}, is not a whole number`,
      );
    const labels = { data: 'data', context: 'context', seed: 'seed', shuffle: 'shuffling' } as const;
    for (const key of ['data', 'context', 'seed', 'shuffle'] as const) {
      if (state[key] === now[key]) continue;
      throw new AthanorError(
        'ERR_MISMATCH',
        `the run was saved with another ${labels[key]} (${state[key]}) than now (${now[key]}), so its place in the data means nothing here`,
        'resume with the data and options that the run began with',
      );
    }
    this.#cursor = state.cursor;
  }

  /** context + 1 ids of the window at a place in the global order. */
  #window(place: number): Int32Array {
    const { context, split } = this.#options;
    const { shift, permutation } = this.#orderOf(Math.floor(place / this.#windows));
    const within = place % this.#windows;
    const window = permutation?.at(within) ?? within;
    return this.#dataset.read(split, shift + window * context, context + 1);
  }

  #orderOf(epoch: number) {
    if (this.#order?.epoch === epoch) return this.#order;
    const { context, seed, shuffle, split } = this.#options;
    const slack = this.#dataset.tokens(split) - 1 - this.#windows * context;
    const shift = shuffle ? mix(mix(seed, epoch), SHIFT_STREAM) % (Math.min(slack, context - 1) + 1) : 0;
    const permutation = shuffle ? new Permutation(this.#windows, seed, epoch) : undefined;
    this.#order = { epoch, shift, permutation };
    return this.#order;
  }
}

function checkOptions(options: Required<TokenLoaderOptions>): void {
  const { rank, size } = options.communicator;
  const whole = (name: 'batchSize' | 'context' | 'seed', least: number) => {
    const value = options[name];
    if (Number.isSafeInteger(value) && value >= least) return;
    throw new AthanorError(
      'ERR_ARGUMENT',
      `expected ${name} to be a whole number of at least ${least} but got ${value}`,
    );
  };
  whole('batchSize', 1);
  whole('context', 1);
  whole('seed', 0);
  if (!(Number.isSafeInteger(size) && Number.isSafeInteger(rank) && rank >= 0 && rank < size))
    throw new AthanorError('ERR_ARGUMENT', `expected a rank from 0 below ${size} but got ${rank}`);
}

/**
 * Rows of ids as packed sequences: of each row, all ids but the last are tokens and all but the
 * first are targets.
 * @param length of all rows together, each less one
 * @param separator each occurrence of this id begins a sequence too
 */
export function packRows(
  rows: readonly Int32Array[],
  length: number,
  separator: number | undefined,
): PackedTokens {
  const tokens = new Int32Array(length);
  const targets = new Int32Array(length);
  const positions = new Int32Array(length);
  const starts: number[] = [];
  let offset = 0;
  for (const row of rows) {
    const count = row.length - 1;
    tokens.set(row.subarray(0, count), offset);
    targets.set(row.subarray(1), offset);
    let start = 0;
    for (let i = 0; i < count; ++i) {
      if (i === 0 || row[i] === separator) {
        start = i;
        starts.push(offset + i);
      }
      positions[offset + i] = i - start;
    }
    offset += count;
  }
  return { tokens, targets, positions, cuSeqlens: Int32Array.from([...starts, length]) };
}
