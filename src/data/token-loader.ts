/**
 * Batches of windows of context + 1 ids over the whole split as one row. An epoch visits every window once in a seeded
 * permuted order and starts at an offset of its own, so that a document is not always cut in the same place. The order
 * is global: a cursor counts windows over all ranks, rank r of w takes windows cursor + r, cursor + r + w, ..., and a run
 * goes on from a cursor on any number of ranks.
 */
import { AthanorError } from '../native/errors.ts';
import type { Split } from './manifest.ts';
import { mix, Permutation } from './permutation.ts';
import type { TokenDataset } from './token-dataset.ts';

export interface TokenLoaderOptions {
  /** Default train. */
  split?: Split;
  /** Windows a batch, on this rank. */
  batchSize: number;
  /** Ids that the model sees of a window. */
  context: number;
  seed: number;
  /** Default true. */
  shuffle?: boolean;
  /** A token sees its own document only; positions restart with each. Default true. */
  documentMask?: boolean;
  rank?: number;
  worldSize?: number;
}

export interface Batch {
  /** `[batchSize * context]` */
  tokens: Int32Array;
  /** The next token of each. */
  targets: Int32Array;
  /** Place of each in its sequence. */
  positions: Int32Array;
  /** Where sequences begin: windows, or documents within windows. */
  cuSeqlens: Int32Array;
}

export interface LoaderState {
  /** Windows taken so far, over all ranks. */
  cursor: number;
}

export class TokenLoader {
  readonly #dataset: TokenDataset;
  readonly #options: Required<TokenLoaderOptions>;
  readonly #windows: number;
  #cursor = 0;
  #epoch = -1;
  #permutation: Permutation | undefined;

  /** Throws ERR_ARGUMENT when the split holds no whole window. */
  constructor(dataset: TokenDataset, options: TokenLoaderOptions) {
    this.#dataset = dataset;
    this.#options = { split: 'train', shuffle: true, documentMask: true, rank: 0, worldSize: 1, ...options };
    const { context, split } = this.#options;
    const tokens = dataset.tokens(split);
    const shifted = tokens >= 2 * context;
    this.#windows = Math.floor((shifted ? tokens - context : tokens - 1) / context);
    if (this.#windows < 1) {
      throw new AthanorError(
        'ERR_ARGUMENT',
        `the ${split} split of ${dataset.folder} has ${tokens} tokens, fewer than one window of ${context + 1}`,
        'lower --context or prepare more text',
      );
    }
  }

  /** Windows an epoch. */
  get windows(): number {
    return this.#windows;
  }

  next(): Batch {
    const { batchSize, context, rank, worldSize } = this.#options;
    const rows = Array.from({ length: batchSize }, (_, i) =>
      this.#window(this.#cursor + rank + i * worldSize),
    );
    this.#cursor += batchSize * worldSize;
    return makeBatch(rows, context, this.#options.documentMask ? this.#dataset.manifest.eos_id : undefined);
  }

  state(): LoaderState {
    return { cursor: this.#cursor };
  }

  restore(state: LoaderState): void {
    this.#cursor = state.cursor;
  }

  /** context + 1 ids of the window at a place in the global order. */
  #window(place: number): Int32Array {
    const { context, seed, shuffle, split } = this.#options;
    const epoch = Math.floor(place / this.#windows);
    const within = place % this.#windows;
    if (epoch !== this.#epoch) {
      this.#epoch = epoch;
      this.#permutation = shuffle ? new Permutation(this.#windows, seed, epoch) : undefined;
    }
    const slack = this.#dataset.tokens(split) - 1 - this.#windows * context;
    const shift = shuffle ? mix(mix(seed, epoch), 0x5f) % (Math.min(slack, context - 1) + 1) : 0;
    const window = this.#permutation?.at(within) ?? within;
    return this.#dataset.read(split, shift + window * context, context + 1);
  }
}

/** Rows of context + 1 ids as one packed batch. With `separator`, each occurrence of it begins a sequence. */
export function makeBatch(
  rows: readonly Int32Array[],
  context: number,
  separator: number | undefined,
): Batch {
  const n = rows.length * context;
  const batch = { tokens: new Int32Array(n), targets: new Int32Array(n), positions: new Int32Array(n) };
  const starts: number[] = [];
  rows.forEach((row, r) => {
    batch.tokens.set(row.subarray(0, context), r * context);
    batch.targets.set(row.subarray(1), r * context);
    let start = 0;
    for (let i = 0; i < context; ++i) {
      if (i === 0 || row[i] === separator) {
        start = i;
        starts.push(r * context + i);
      }
      batch.positions[r * context + i] = i - start;
    }
  });
  return { ...batch, cuSeqlens: Int32Array.from([...starts, n]) };
}
