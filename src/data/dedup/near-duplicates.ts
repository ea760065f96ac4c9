/**
 * Finds documents that are nearly equal. Two documents match when all hashes of a band of their
 * MinHash signatures are equal; documents that match, directly or through others, are a cluster.
 * The keys of the bands are sorted on disk, so memory does not grow with them.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setImmediate as yieldToEvents } from 'node:timers/promises';
import { checkCounts } from '../../base/check-count.ts';
import { native } from '../../native/addon.ts';
import type { NativeNearDuplicates } from '../../native/binding/dedup.ts';
import type { Document } from '../document.ts';
import { type MinHashOptions, minHashSettings } from './minhash.ts';
import { TextBatch } from './text-batch.ts';

/** Which document of a cluster stays. */
export type KeepPolicy = 'first' | 'longest';

/** How near duplicates are found. */
export interface NearDuplicateOptions extends MinHashOptions {
  /** Which document of a cluster stays: the first, or the longest (the first of equal ones). */
  keep?: KeepPolicy;
  /**
   * Files of keys of earlier corpora, which `keysPath` wrote. Of a cluster that holds one of their
   * documents none stays.
   */
  earlier?: readonly string[];
  /** A file to write the keys of these documents to, for a later corpus. */
  keysPath?: string;
  /** The folder for temporary files. Default: one in the system's. */
  folder?: string;
  /** Memory for sorting keys. Default 256 MiB. More is sorted on disk, 16 bytes per key. */
  memoryBytes?: number;
}

/** What was found. */
export interface NearDuplicateReport {
  documents: number;
  /** Clusters of two documents and more, of these documents alone. */
  clusters: number;
  /** Documents in the largest of them, or 0. */
  largest_cluster: number;
  /** Documents that do not stay. */
  duplicates: number;
  /** Those among them whose cluster holds a document of an earlier corpus. */
  of_earlier: number;
  /** UTF-8 bytes of the duplicates. */
  duplicate_bytes: number;
}

const MEMORY_BYTES = 256 << 20;

/** The clusters of a corpus. Documents are counted from 0 in the order in which they were added. */
export class NearDuplicates {
  readonly report: NearDuplicateReport;
  readonly #roots: Uint32Array;
  readonly #kept: Uint8Array;
  readonly #sizes: Uint32Array;

  /**
   * @param roots the first document of each one's cluster, counted from 1, or 0 for an earlier one
   * @param bytes UTF-8 bytes of each document
   */
  constructor(roots: Uint32Array, bytes: Float64Array, keep: KeepPolicy) {
    this.#roots = roots;
    this.#sizes = new Uint32Array(roots.length + 1);
    this.#kept = new Uint8Array(roots.length);
    // The document that stays, by the first one of the cluster; both are counted from 1.
    const staying = new Uint32Array(roots.length + 1);
    for (const [i, root] of roots.entries()) {
      this.#sizes[root]! += 1;
      const best = staying[root]!;
      if (best === 0 || (keep === 'longest' && bytes[i]! > bytes[best - 1]!)) staying[root] = i + 1;
    }
    const report = { clusters: 0, largest_cluster: 0, duplicates: 0, of_earlier: 0, duplicate_bytes: 0 };
    for (const [i, root] of roots.entries()) {
      if (root !== 0 && staying[root] === i + 1) {
        this.#kept[i] = 1;
        const size = this.#sizes[root]!;
        if (size > 1) report.clusters += 1;
        if (size > 1) report.largest_cluster = Math.max(report.largest_cluster, size);
        continue;
      }
      report.duplicates += 1;
      report.duplicate_bytes += bytes[i]!;
      if (root === 0) report.of_earlier += 1;
    }
    this.report = { documents: roots.length, ...report };
  }

  /** Whether a document stays. */
  isKept(index: number): boolean {
    return this.#kept[index] === 1;
  }

  /**
   * The first document of the cluster, `earlier` when the cluster holds one of an earlier corpus,
   * and undefined for a document that is alone.
   */
  cluster(index: number): number | 'earlier' | undefined {
    const root = this.#roots[index]!;
    if (root === 0) return 'earlier';
    return this.#sizes[root]! > 1 ? root - 1 : undefined;
  }
}

/** Takes documents in and finds the clusters at the end. Close it when it is no longer needed. */
export class NearDuplicateFinder {
  readonly #native: NativeNearDuplicates;
  readonly #keep: KeepPolicy;
  readonly #keysPath: string;
  readonly #folder: string;
  #batch = new TextBatch<undefined>();
  #bytes = new Float64Array(1024);
  #count = 0;

  /**
   * Throws ERR_ARGUMENT for options out of range and for earlier keys of other options,
   * ERR_FILE_MISSING and ERR_FILE_DAMAGED for earlier keys, and ERR_IO.
   */
  constructor(options: NearDuplicateOptions = {}) {
    const { keep = 'first', earlier = [], keysPath = '', memoryBytes = MEMORY_BYTES } = options;
    const { ngram, bands, rows, seed } = minHashSettings(options);
    checkCounts({ memoryBytes });
    this.#keep = keep;
    this.#keysPath = keysPath;
    this.#folder = mkdtempSync(join(options.folder ?? tmpdir(), 'athanor-keys-'));
    try {
      const { NativeNearDuplicates } = native;
      this.#native = new NativeNearDuplicates(ngram, bands, rows, seed, this.#folder, memoryBytes);
      for (const path of earlier) this.#native.addEarlier(path);
    } catch (error) {
      rmSync(this.#folder, { recursive: true, force: true });
      throw error;
    }
  }

  /** Takes the next document in. Throws ERR_ARGUMENT beyond 2^32 - 2, ERR_DISK_FULL and ERR_IO. */
  add(text: string): void {
    if (this.#count === this.#bytes.length) {
      const grown = new Float64Array(this.#count * 2);
      grown.set(this.#bytes);
      this.#bytes = grown;
    }
    this.#bytes[this.#count++] = Buffer.byteLength(text);
    if (this.#batch.add(text, undefined)) this.#flush();
  }

  /** The clusters of all documents. Nothing may be added after this. Throws as `add`. */
  finish(): NearDuplicates {
    this.#flush();
    const roots = this.#native.cluster(this.#keysPath);
    return new NearDuplicates(roots, this.#bytes.subarray(0, this.#count), this.#keep);
  }

  /** Parts of the keys that were sorted on disk. */
  get runsWritten(): number {
    return this.#native.runsWritten();
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

/** Adds all documents to a finder that it closes. Throws as NearDuplicateFinder does. */
export async function findNearDuplicates(
  documents: AsyncIterable<{ text: string }> | Iterable<{ text: string }>,
  options: NearDuplicateOptions = {},
): Promise<NearDuplicates> {
  const finder = new NearDuplicateFinder(options);
  try {
    let chars = 0;
    for await (const { text } of documents) {
      finder.add(text);
      chars += text.length;
      if (chars < YIELD_CHARS) continue;
      chars = 0;
      await yieldToEvents();
    }
    return finder.finish();
  } finally {
    finder.close();
  }
}

/** Text after which other events get a turn, such as an interruption. */
const YIELD_CHARS = 1 << 20;

/**
 * The documents without near duplicates, in their order. The documents are read twice: `read` has
 * to give the same ones in the same order. Throws as NearDuplicateFinder does, and what `read`
 * throws.
 */
export async function* withoutNearDuplicates(
  read: () => AsyncIterable<Document>,
  options: NearDuplicateOptions = {},
): AsyncGenerator<Document> {
  const found = await findNearDuplicates(read(), options);
  let index = 0;
  for await (const document of read()) {
    if (found.isKept(index++)) yield document;
  }
}
