/**
 * Batches of windows of context + 1 ids; the whole split is one row. An epoch visits every window
 * once in a seeded order. Each epoch starts at its own offset, so that a document is not always cut
 * in the same place. A cursor counts windows. Ranks share batches, and each skips those of the
 * others, so a run continues from a cursor on any number of ranks and with any batch size.
 */
import { AthanorError } from '../../base/errors.ts';
import type { JsonValue } from '../../base/json.ts';
import { mix } from '../../base/random.ts';
import { Permutation } from '../permutation.ts';
import type { PackedTokens } from '../token-batch.ts';
import type { Split } from './manifest.ts';
import type { TokenRow } from './source-row.ts';

/** How a split becomes batches. */
export interface TokenLoaderOptions {
  /** The split to read. Default train. */
  split?: Split;
  /** Windows per batch. */
  batchSize: number;
  /** Tokens per window that the model sees. */
  context: number;
  /** The seed of the order. */
  seed: number;
  /** Whether windows come in a random order. Default true. */
  shuffle?: boolean;
  /** Tokens attend to their own document only, and positions restart with each. Default true. */
  documentMask?: boolean;
}

/**
 * A batch of batchSize * context tokens. Its sequences are windows, or documents within windows.
 */
export interface TokenWindows extends PackedTokens {
  /** Windows before this batch. */
  cursor: number;
}

/**
 * The place of a run in its data, and the options on which it depends. It is the same
 * on every rank.
 */
export type LoaderState = {
  /** Windows so far. */
  cursor: number;
  /** Fingerprint of the split. */
  data: string;
  context: number;
  seed: number;
  shuffle: boolean;
};

/** Distinguishes the random offset of an epoch from its permutation, which has the same seed. */
const SHIFT_STREAM = 0x5f;

/** Gives batches, epoch after epoch. */
export class TokenLoader {
  readonly #dataset: TokenRow;
  readonly #options: Required<TokenLoaderOptions>;
  readonly #windows: number;
  #cursor = 0;
  #order: { epoch: number; shift: number; permutation: Permutation | undefined } | undefined;

  /**
   * Throws ERR_ARGUMENT for an option out of range, and when the split holds no complete window.
   */
  constructor(dataset: TokenRow, options: TokenLoaderOptions) {
    this.#dataset = dataset;
    const defaults = {
      split: 'train',
      shuffle: true,
      documentMask: true,
    } as const;
    this.#options = { ...defaults, ...options };
    checkOptions(this.#options);
    const { context, split } = this.#options;
    const tokens = dataset.tokens(split);
    // With enough tokens, use one context less than there is, so that an epoch can start
    // at `context` offsets.
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

  /** Windows per epoch. */
  get windows(): number {
    return this.#windows;
  }

  /** Complete passes over the split. */
  get epoch(): number {
    return Math.floor(this.#cursor / this.#windows);
  }

  /** Passes over the next batch. */
  skip(): void {
    this.#cursor += this.#options.batchSize;
  }

  /** The next batch. */
  next(): TokenWindows {
    const { batchSize, context } = this.#options;
    const cursor = this.#cursor;
    const rows = Array.from({ length: batchSize }, (_, i) => this.window(cursor + i));
    this.skip();
    const separator = this.#options.documentMask ? this.#dataset.manifest.eos_id : undefined;
    return { ...packRows(rows, batchSize * context, separator), cursor };
  }

  /** The place in the data, for a checkpoint. */
  state(): LoaderState {
    const { context, seed, shuffle, split } = this.#options;
    return { cursor: this.#cursor, data: this.#dataset.fingerprint(split), context, seed, shuffle };
  }

  /**
   * Continues from the place that state() gave. The batch size may differ. Throws
   * ERR_MISMATCH when the data or an option that decides the order differs, and ERR_FORMAT for
   * an invalid state.
   */
  restore(state: JsonValue): void {
    const saved = state as LoaderState;
    const now = this.state();
    if (!Number.isSafeInteger(saved.cursor) || saved.cursor < 0)
      throw new AthanorError(
        'ERR_FORMAT',
        `the saved place in the data, ${saved.cursor}, is not a whole number`,
      );
    const labels = { data: 'data', context: 'context', seed: 'seed', shuffle: 'shuffling' } as const;
    for (const key of ['data', 'context', 'seed', 'shuffle'] as const) {
      if (saved[key] === now[key]) continue;
      throw new AthanorError(
        'ERR_MISMATCH',
        `the run was saved with another ${labels[key]} (${saved[key]}) than now (${now[key]}), so its place in the data is not valid now`,
        'resume with the data and options that the run began with',
      );
    }
    this.#cursor = saved.cursor;
  }

  /** The ids of the window at a place in the global order, `[context + 1]`. */
  window(place: number): Int32Array {
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
}

/**
 * Packs rows of ids into sequences. In each row all ids but the last are tokens, and all but the
 * first are targets.
 * @param length length of all rows together, each less one
 * @param separator each occurrence of this id begins a sequence as well
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
