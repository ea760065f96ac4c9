/**
 * Which documents are held back. A document's side follows from its own hash, so it keeps its side whatever else is in
 * the corpus and in whatever order. Where the hashes leave a side empty, the document with the lowest hash is held back,
 * or the one with the highest is trained on; to know these without a second pass, both wait until the end.
 */

import { cutPoint } from '../corpus/text-documents.ts';
import type { Document } from '../document.ts';
import type { Split } from '../shards/manifest.ts';

export interface PlacedDocument extends Document {
  split: Split;
}

interface Hashed {
  document: Document;
  /** In [0, 1). */
  hash: number;
}

export class Splitter {
  readonly #share: number;
  /** The lowest and the highest so far, in this order. */
  #waiting: Hashed[] = [];

  /** @param share of the documents that is held back; 0 holds none */
  constructor(share: number) {
    this.#share = share;
  }

  /** The document whose side is now certain: this one, or one that it displaces. */
  place(document: Document, digest: Buffer): PlacedDocument | undefined {
    const hash = digest.readUIntLE(16, 6) / 2 ** 48;
    this.#waiting.push({ document, hash });
    this.#waiting.sort((a, b) => a.hash - b.hash);
    const [decided] = this.#waiting.splice(1, this.#waiting.length - 2);
    return decided && { ...decided.document, split: decided.hash < this.#share ? 'validation' : 'train' };
  }

  /** The last documents. A corpus of one is cut, so that it has something to hold back too. */
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

function cutInTwo(document: Document, share: number): PlacedDocument[] {
  const bytes = Buffer.from(document.text);
  const end = cutPoint(bytes, Math.floor(bytes.length * (1 - share)));
  const [head, tail] = [bytes.toString('utf8', 0, end), bytes.toString('utf8', end)];
  if (head.trim() === '' || tail.trim() === '') return [{ ...document, split: 'train' }];
  return [
    { ...document, text: head, split: 'train' },
    { ...document, text: tail, split: 'validation' },
  ];
}
