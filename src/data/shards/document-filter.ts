/**
 * One pass over a corpus. It gives the documents with their split, and counts dropped
 * ones by reason.
 */
import { createHash } from 'node:crypto';
import { AthanorError } from '../../base/errors.ts';
import { type CorpusOptions, type CorpusSource, pathOf, readCorpus } from '../corpus/corpus.ts';
import { type CorpusItem, type Document, type Dropped, describeDropped, isBad } from '../document.ts';
import type { DedupPass, HashedDocument } from './deduplication.ts';
import type { FilterPass } from './filtering.ts';
import { type PlacedDocument, Splitter } from './splitter.ts';

export interface FilterOptions extends CorpusOptions {
  /** Files, folders and packaged names, some with options of their own. */
  sources: readonly (string | CorpusSource)[];
  /**
   * Share of the documents for validation, which a hash of their text chooses. At least 0, below 1.
   */
  validationSplit: number;
  /** Documents of fewer characters are dropped. */
  minChars: number;
  /** What to do with a line or file that cannot be used: drop it, or throw ERR_FORMAT. */
  onBadLine: 'skip' | 'fail';
  /** Called with each dropped item. */
  onDropped?: ((dropped: Dropped) => void) | undefined;
  signal?: AbortSignal | undefined;
}

/** The steps of one pass: filters first, then repetitions and evaluation texts. */
export interface CorpusPass {
  filters: FilterPass;
  dedup: DedupPass;
}

export class DocumentFilter {
  /** Number of dropped items by reason. */
  readonly dropped: Record<string, number> = {};
  readonly #options: FilterOptions;
  readonly #filters: FilterPass;
  readonly #dedup: DedupPass;
  #first: Dropped | undefined;
  #kept = 0;

  constructor(options: FilterOptions, { filters, dedup }: CorpusPass) {
    this.#options = options;
    this.#filters = filters;
    this.#dedup = dedup;
  }

  /** The documents that stay, each with its split. Throws as `remaining` does. */
  async *documents(): AsyncGenerator<PlacedDocument> {
    const splitter = new Splitter(this.#options.validationSplit);
    for await (const { document, digest } of this.remaining()) {
      const placed = splitter.place(document, digest);
      if (placed) yield placed;
    }
    yield* splitter.finish();
  }

  /**
   * Documents of at least `minChars` characters that are no repetition, with their SHA-256. Throws
   * ERR_FORMAT for a bad line with onBadLine 'fail', ERR_ARGUMENT when there is no document,
   * ERR_INTERRUPTED when the signal aborts, and the errors of readCorpus.
   */
  async *remaining(): AsyncGenerator<HashedDocument> {
    for await (const item of this.#dedup.shortened(this.#unrepeated())) {
      if ('dropped' in item) {
        this.#drop(item.dropped);
        continue;
      }
      this.#kept += 1;
      yield item;
    }
    if (this.#kept === 0) throw this.#nothingUsable();
  }

  async *#unrepeated(): AsyncGenerator<HashedDocument> {
    const { sources, signal } = this.#options;
    let items: AsyncIterable<CorpusItem> = this.#filters.step(readCorpus(sources, this.#options));
    for (const step of this.#dedup.steps()) items = step(items);
    for await (const item of items) {
      if (signal?.aborted) throw new AthanorError('ERR_INTERRUPTED', 'preparing the data was interrupted');
      if ('dropped' in item) {
        this.#drop(item.dropped);
        continue;
      }
      const { document } = item;
      const digest = createHash('sha256').update(document.text).digest();
      const dropped = this.#unwanted(document, digest);
      if (dropped) {
        this.#drop(dropped);
        continue;
      }
      yield { document, digest };
    }
  }

  #unwanted(document: Document, digest: Buffer): Dropped | undefined {
    if (document.text.length < this.#options.minChars) return { id: document.id, reason: 'too_short' };
    return this.#dedup.repetition(document, digest);
  }

  #drop(dropped: Dropped): void {
    if (isBad(dropped.reason) && this.#options.onBadLine === 'fail') {
      const remedy = 'correct it, or leave such lines out with `onBadLine` skip';
      throw new AthanorError('ERR_FORMAT', describeDropped(dropped), remedy);
    }
    this.#first ??= dropped;
    this.dropped[dropped.reason] = (this.dropped[dropped.reason] ?? 0) + 1;
    this.#options.onDropped?.(dropped);
  }

  #nothingUsable(): AthanorError {
    const counts = Object.entries(this.dropped).map(
      ([reason, count]) => `${count} ${reason.replaceAll('_', ' ')}`,
    );
    const why = this.#first
      ? `: dropped ${counts.join(', ')}; the first was ${describeDropped(this.#first)}`
      : '';
    return new AthanorError(
      'ERR_ARGUMENT',
      `no usable document in ${this.#options.sources.map(pathOf).join(', ')}${why}`,
      this.dropped.missing_field ? 'name the field that holds the text with `textKey`' : 'name other text',
    );
  }
}
