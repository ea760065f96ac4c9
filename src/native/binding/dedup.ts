import type { NativeText } from './text.ts';

export interface NativeMinHasher {
  /**
   * The signatures, `[texts, bands * rows]`; all values of a text that has fewer words than a
   * shingle are 2^64 - 1.
   */
  sign(texts: readonly NativeText[]): BigUint64Array;
}

export interface NativeNearDuplicates {
  /** Adds documents, in order. */
  add(texts: readonly NativeText[]): void;
  /** Adds the bands of an earlier corpus: a file that `cluster` wrote. */
  addEarlier(path: string): void;
  /**
   * For each document the first one of its cluster, counted from 1, or 0 when the cluster holds one
   * of the earlier corpora. Once only.
   * @param keysPath the file to write the keys of these documents to; '' for none
   */
  cluster(keysPath: string): Uint32Array;
  /** Runs of the external sort that were written to disk. */
  runsWritten(): number;
  /** Frees memory and files. */
  close(): void;
}

export interface NativeRepeatedRuns {
  /** Adds documents, in order. */
  add(texts: readonly NativeText[]): void;
  /** Finds the runs. Once only, and nothing may be added after it. */
  find(): void;
  /** `take` begins again at the first document. */
  rewind(): void;
  /**
   * Of the next documents, as they were added: pairs of the bytes at which a repetition begins and
   * ends.
   */
  take(texts: readonly NativeText[]): Uint32Array[];
  /** Frees memory and files. */
  close(): void;
}

export interface NativeNgramIndex {
  /** Adds the runs of words of the texts of a set. Returns the number of words per text. */
  add(texts: readonly NativeText[], set: number): Uint32Array;
  /** Per text the number of matches, the set of the first one, and its words. */
  find(texts: readonly NativeText[]): [Uint32Array, Uint32Array, string[]];
  /** The number of different runs of words. */
  size(): number;
}

export interface DedupBinding {
  NativeMinHasher: new (ngram: number, bands: number, rows: number, seed: number) => NativeMinHasher;
  NativeNearDuplicates: new (
    ngram: number,
    bands: number,
    rows: number,
    seed: number,
    folder: string,
    memoryBytes: number,
  ) => NativeNearDuplicates;
  NativeRepeatedRuns: new (words: number, folder: string, memoryBytes: number) => NativeRepeatedRuns;
  NativeNgramIndex: new (ngram: number, shortest: number) => NativeNgramIndex;
  /** The words of a text as they are compared, with a space between two. */
  comparedWords(text: string): string;
}
