/** Removes paragraphs or lines that stood in the corpus before. */
import { createHash } from 'node:crypto';
import { AthanorError } from '../../base/errors.ts';
import type { Document } from '../document.ts';
import { readDigests, writeDigests } from './digest-file.ts';
import { DigestSet } from './digest-set.ts';

/** Parts of a text: between blank lines, or between line breaks. */
export type RepeatedUnit = 'paragraph' | 'line';

/** What is removed. */
export interface RepeatedPartOptions {
  unit: RepeatedUnit;
  /** Parts of fewer characters stay, however often they occur. Default 1. */
  minChars?: number;
  /** Files of earlier corpora, which `save` wrote: parts of these are removed too. */
  earlier?: readonly string[];
}

/** A text without the parts that stood in an earlier one or before in itself. */
export interface RemainingText {
  /** What is left; the text itself when nothing was removed. */
  text: string;
  /** The removed parts, in their order. */
  removed: string[];
}

const breaks = { paragraph: /(\n\s*\n)/, line: /(\n)/ };

/**
 * Remembers the parts of all texts that it has seen, by a digest of 128 bits. White space around a
 * part does not count, and blank parts stay.
 */
export class RepeatedParts {
  readonly #seen = new DigestSet();
  readonly #break: RegExp;
  readonly #minChars: number;
  readonly #earlier = new DigestSet();

  /** Throws ERR_ARGUMENT for an unknown unit, ERR_FILE_MISSING, ERR_IO and ERR_FILE_DAMAGED. */
  constructor({ unit, minChars = 1, earlier = [] }: RepeatedPartOptions) {
    if (!Object.hasOwn(breaks, unit)) {
      throw new AthanorError('ERR_ARGUMENT', `\`unit\` is ${JSON.stringify(unit)}, not paragraph or line`);
    }
    this.#break = breaks[unit];
    this.#minChars = minChars;
    for (const path of earlier) readDigests(path, this.#earlier);
  }

  /** The number of different parts so far. */
  get size(): number {
    return this.#seen.size;
  }

  /** Writes 16 bytes per different part, for a later corpus. Throws ERR_DISK_FULL and ERR_IO. */
  save(path: string): void {
    writeDigests(path, this.#seen);
  }

  /** Takes the next text in and removes the parts of it that stood before. */
  take(text: string): RemainingText {
    // Parts at even places, and the breaks behind them at odd ones.
    const pieces = text.split(this.#break);
    const removed: string[] = [];
    let rest: string | undefined;
    for (let i = 0; i < pieces.length; i += 2) {
      const part = pieces[i]!;
      if (this.#isRepeated(part)) {
        removed.push(part);
        continue;
      }
      // A part that stays takes the break before it along.
      rest = rest === undefined ? part : rest + pieces[i - 1]! + part;
    }
    return { text: removed.length === 0 ? text : (rest ?? ''), removed };
  }

  #isRepeated(part: string): boolean {
    const bare = part.trim();
    if (bare.length < Math.max(this.#minChars, 1)) return false;
    const digest = createHash('sha256').update(bare).digest();
    const isEarlier = this.#earlier.has(digest);
    return !this.#seen.add(digest) || isEarlier;
  }
}

/**
 * The documents without repeated parts, in their order. One of which only white space is left is
 * left out. Throws what `documents` throws.
 * @param onRemoved is told of each document that lost parts, before what is left of it follows
 */
export async function* withoutRepeatedParts(
  documents: AsyncIterable<Document>,
  options: RepeatedPartOptions,
  onRemoved?: (document: Document, left: RemainingText) => void,
): AsyncGenerator<Document> {
  const parts = new RepeatedParts(options);
  for await (const document of documents) {
    const left = parts.take(document.text);
    if (left.removed.length > 0) onRemoved?.(document, left);
    if (/\S/.test(left.text)) yield { ...document, text: left.text };
  }
}
