/**
 * One pass over the filtered corpus. It gives the documents with their split, and counts dropped
 * ones by reason.
 */

import { AthanorError } from '../../base/errors.ts';
import { type CorpusSource, pathOf } from '../corpus/source.ts';
import { type Dropped, describeDropped } from '../document.ts';
import type { DedupPass } from './deduplication.ts';
import type { FilteredDocument, FilteredItem } from './filtered-corpus.ts';
import { interrupted } from './plan.ts';
import { type PlacedDocument, Splitter } from './splitter.ts';

/** What decides which documents stay, and where. */
export interface ChoiceOptions {
  /** Files, folders and packaged names, some with options of their own. */
  sources: readonly (string | CorpusSource)[];
  /**
   * Share of the documents for validation, which a hash of their text chooses. At least 0, below 1.
   */
  validationSplit: number;
  /** Documents of fewer characters are dropped. */
  minChars: number;
  /** Called with each dropped item. */
  onDropped?: ((dropped: Dropped) => void) | undefined;
  signal?: AbortSignal | undefined;
}

/** No document is left. */
export class NothingUsable extends AthanorError {}

export class DocumentFilter {
  /** Number of dropped items by reason. */
  readonly dropped: Record<string, number> = {};
  readonly #options: ChoiceOptions;
  readonly #dedup: DedupPass;
  readonly #items: AsyncIterable<FilteredItem>;
  #first: Dropped | undefined;
  #kept = 0;

  constructor(items: AsyncIterable<FilteredItem>, dedup: DedupPass, options: ChoiceOptions) {
    this.#items = items;
    this.#dedup = dedup;
    this.#options = options;
  }

  /** The documents that stay, each with its split. Throws as `remaining` does. */
  async *documents(): AsyncGenerator<PlacedDocument> {
    const splitter = new Splitter(this.#options.validationSplit);
    for await (const document of this.remaining()) {
      const placed = splitter.place(document);
      if (placed) yield placed;
    }
    yield* splitter.finish();
  }

  /**
   * Documents of at least `minChars` characters that are no repetition. Throws ERR_ARGUMENT when
   * there is no document, ERR_INTERRUPTED when the signal aborts, and the errors of reading.
   */
  async *remaining(): AsyncGenerator<FilteredDocument> {
    for await (const item of this.#dedup.shortened(this.#unrepeated())) {
      if ('dropped' in item) {
        this.#drop(item.dropped);
        continue;
      }
      this.#kept += 1;
      yield item.document;
    }
    if (this.#kept === 0) throw this.#nothingUsable();
  }

  async *#unrepeated(): AsyncGenerator<FilteredDocument> {
    let items = this.#items;
    for (const step of this.#dedup.steps()) items = step(items);
    for await (const item of items) {
      if (this.#options.signal?.aborted) throw interrupted();
      const dropped = 'dropped' in item ? item.dropped : this.#unwanted(item.document);
      if (dropped) this.#drop(dropped);
      else if ('document' in item) yield item.document;
    }
  }

  #unwanted(document: FilteredDocument): Dropped | undefined {
    if (document.text.length < this.#options.minChars) return { id: document.id, reason: 'too_short' };
    return this.#dedup.repetition(document);
  }

  #drop(dropped: Dropped): void {
    this.#first ??= dropped;
    this.dropped[dropped.reason] = (this.dropped[dropped.reason] ?? 0) + 1;
    this.#options.onDropped?.(dropped);
  }

  #nothingUsable(): NothingUsable {
    const counts = Object.entries(this.dropped).map(
      ([reason, count]) => `${count} ${reason.replaceAll('_', ' ')}`,
    );
    const why = this.#first
      ? `: dropped ${counts.join(', ')}; the first was ${describeDropped(this.#first)}`
      : '';
    return new NothingUsable(
      'ERR_ARGUMENT',
      `no usable document in ${this.#options.sources.map(pathOf).join(', ')}${why}`,
      this.dropped.missing_field ? 'name the field that holds the text with `textKey`' : 'name other text',
    );
  }
}
