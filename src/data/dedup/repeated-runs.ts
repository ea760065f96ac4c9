/**
 * Removes runs of many words that stood in the corpus before, wherever they begin. All windows of
 * so many words are sorted on disk, 16 bytes per word, so memory does not grow with them.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { checkCounts } from '../../base/check-count.ts';
import { native } from '../../native/addon.ts';
import type { NativeRepeatedRuns } from '../../native/binding/dedup.ts';
import type { Document } from '../document.ts';
import type { RemainingText } from './repeated-parts.ts';
import { TextBatch } from './text-batch.ts';

/** Which runs are removed. */
export interface RepeatedRunOptions {
  /** Fewest words of a run. Default 50. */
  words?: number;
  /** The folder for temporary files. Default: one in the system's. */
  folder?: string;
  /** Memory for sorting. Default 256 MiB. */
  memoryBytes?: number;
}

export const repeatedRunDefaults = { words: 50, memoryBytes: 256 << 20 } as const;

/**
 * Takes the documents in once, and shortens them in as many further passes as are wanted. Close it
 * when it is no longer needed.
 */
export class RepeatedRuns {
  readonly #native: NativeRepeatedRuns;
  readonly #folder: string;
  #batch = new TextBatch<undefined>();

  /** Throws ERR_ARGUMENT for options out of range, and ERR_IO. */
  constructor(options: RepeatedRunOptions = {}) {
    const { words = repeatedRunDefaults.words, memoryBytes = repeatedRunDefaults.memoryBytes } = options;
    checkCounts({ words, memoryBytes });
    this.#folder = mkdtempSync(join(options.folder ?? tmpdir(), 'athanor-runs-'));
    try {
      this.#native = new native.NativeRepeatedRuns(words, this.#folder, memoryBytes);
    } catch (error) {
      rmSync(this.#folder, { recursive: true, force: true });
      throw error;
    }
  }

  /** Takes the next document in. Throws ERR_DISK_FULL and ERR_IO. */
  add(text: string): void {
    if (this.#batch.add(text, undefined)) this.#flush();
  }

  /** Finds the runs. Nothing may be added after this. Throws ERR_DISK_FULL and ERR_IO. */
  finish(): void {
    this.#flush();
    this.#native.find();
  }

  /**
   * What is left of each item's document: all but the first occurrence of a run. The documents are
   * those that were added, in the same order. Throws ERR_STATE for others.
   */
  async *shortened<T>(
    items: AsyncIterable<T>,
    textOf: (item: T) => string,
  ): AsyncGenerator<{ item: T; left: RemainingText }> {
    this.#native.rewind();
    let batch = new TextBatch<T>();
    const shorten = () => {
      const ranges = this.#native.take(batch.texts);
      const done = batch.items.map((item, i) => ({ item, left: without(batch.texts[i]!, ranges[i]!) }));
      batch = new TextBatch();
      return done;
    };
    for await (const item of items) {
      if (batch.add(textOf(item), item)) yield* shorten();
    }
    yield* shorten();
  }

  /** Removes the temporary files. */
  close(): void {
    this.#native.close();
    rmSync(this.#folder, { recursive: true, force: true });
  }

  #flush(): void {
    this.#native.add(this.#batch.texts);
    this.#batch = new TextBatch();
  }
}

/** A text without these ranges of its bytes. */
function without(text: string, ranges: Uint32Array): RemainingText {
  if (ranges.length === 0) return { text, removed: [] };
  const bytes = Buffer.from(text);
  const removed: string[] = [];
  const pieces: string[] = [];
  let from = 0;
  for (let i = 0; i < ranges.length; i += 2) {
    pieces.push(bytes.toString('utf8', from, ranges[i]));
    removed.push(bytes.toString('utf8', ranges[i], ranges[i + 1]));
    from = ranges[i + 1]!;
  }
  return { text: pieces.join('') + bytes.toString('utf8', from), removed };
}

/**
 * The documents without repeated runs, in their order. One of which only white space is left is
 * left out. The documents are read twice: `read` has to give the same ones in the same order.
 * Throws as RepeatedRuns does, and what `read` throws.
 */
export async function* withoutRepeatedRuns(
  read: () => AsyncIterable<Document>,
  options: RepeatedRunOptions = {},
): AsyncGenerator<Document> {
  const runs = new RepeatedRuns(options);
  try {
    for await (const { text } of read()) runs.add(text);
    runs.finish();
    for await (const { item, left } of runs.shortened(read(), ({ text }) => text)) {
      if (/\S/.test(left.text)) yield { ...item, text: left.text };
    }
  } finally {
    runs.close();
  }
}
