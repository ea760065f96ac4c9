/**
 * Chooses the documents for validation. The split of a document follows from its own hash, so it
 * does not depend on the other documents or their order. If the hashes leave validation empty, the
 * document with the lowest hash is held out; if they leave training empty, the one with the highest
 * hash is trained on. To find these two in one pass, both wait until the end.
 */

import { cutPoint } from '../corpus/text-documents.ts';
import type { FilteredDocument } from './filtered-corpus.ts';
import type { Split } from './manifest.ts';

/** A document with its split. */
export type PlacedDocument = FilteredDocument & { split: Split };

interface Hashed {
  document: FilteredDocument;
  /** In [0, 1). */
  hash: number;
}

export class Splitter {
  readonly #share: number;
  /** The documents with the lowest and the highest hash so far, in this order. */
  #waiting: Hashed[] = [];

  /** @param share share of the documents that is held out; 0 holds none */
  constructor(share: number) {
    this.#share = share;
  }

  /**
   * Takes a document in, and returns the one whose split is certain now: this one or
   * one that waited.
   */
  place(document: FilteredDocument): PlacedDocument | undefined {
    const hash = document.digest.readUIntLE(16, 6) / 2 ** 48;
    this.#waiting.push({ document, hash });
    this.#waiting.sort((a, b) => a.hash - b.hash);
    const [decided] = this.#waiting.splice(1, this.#waiting.length - 2);
    return decided && { ...decided.document, split: decided.hash < this.#share ? 'validation' : 'train' };
  }

  /**
   * The documents that still wait. A corpus of one document is cut, so that it has
   * validation data too.
   */
  finish(): PlacedDocument[] {
    const [low, high] = this.#waiting;
    this.#waiting = [];
    if (!low) return [];
    const lowSplit = this.#share > 0 ? 'validation' : 'train';
    if (high) {
      return [
        { ...low.document, split: lowSplit },
        { ...high.document, split: 'train' },
      ];
    }
    return this.#share > 0 ? cutInTwo(low.document, this.#share) : [{ ...low.document, split: 'train' }];
  }
}

function cutInTwo(document: FilteredDocument, share: number): PlacedDocument[] {
  const bytes = Buffer.from(document.text);
  const end = cutPoint(bytes, Math.floor(bytes.length * (1 - share)));
  const [head, tail] = [bytes.toString('utf8', 0, end), bytes.toString('utf8', end)];
  if (head.trim() === '' || tail.trim() === '') return [{ ...document, split: 'train' }];
  return [
    { ...document, text: head, isEdited: true, split: 'train' },
    { ...document, text: tail, isEdited: true, split: 'validation' },
  ];
}
