/**
 * One pass over a corpus. It gives the documents with their split, and counts dropped
 * ones by reason.
 */
import { createHash } from 'node:crypto';
import { AthanorError } from '../../base/errors.ts';
import { type CorpusOptions, readCorpus } from '../corpus/corpus.ts';
import { type CorpusItem, type Document, type Dropped, describeDropped, isBad } from '../document.ts';
import { DigestSet } from './digest-set.ts';
import type { FilterPass } from './filtering.ts';
import { type PlacedDocument, Splitter } from './splitter.ts';

export interface FilterOptions extends CorpusOptions {
  /** Files, folders and packaged names. */
  sources: readonly string[];
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

export class DocumentFilter {
  /** Number of dropped items by reason. */
  readonly dropped: Record<string, number> = {};
  readonly #options: FilterOptions;
  readonly #filters: FilterPass;
  #first: Dropped | undefined;
  #kept = 0;

  constructor(options: FilterOptions, filters: FilterPass) {
    this.#options = options;
    this.#filters = filters;
  }

  /**
   * Documents of at least `minChars` characters, each text once. Throws ERR_FORMAT for a bad line
   * with onBadLine 'fail', ERR_ARGUMENT when there is no document, ERR_INTERRUPTED when the signal
   * aborts, and the errors of readCorpus.
   */
  async *documents(): AsyncGenerator<PlacedDocument> {
    const { sources, signal, validationSplit } = this.#options;
    const seen = new DigestSet();
    const splitter = new Splitter(validationSplit);
    const items: AsyncIterable<CorpusItem> = this.#filters.step(readCorpus(sources, this.#options));
    for await (const item of items) {
      if (signal?.aborted) throw new AthanorError('ERR_INTERRUPTED', 'preparing the data was interrupted');
      if ('dropped' in item) {
        this.#drop(item.dropped);
        continue;
      }
      const placed = this.#place(item.document, seen, splitter);
      if (placed) yield placed;
    }
    if (this.#kept === 0) throw this.#nothingUsable();
    yield* splitter.finish();
  }

  #place(document: Document, seen: DigestSet, splitter: Splitter): PlacedDocument | undefined {
    const { id, text } = document;
    if (text.length < this.#options.minChars) {
      this.#drop({ id, reason: 'too_short' });
      return undefined;
    }
    const digest = createHash('sha256').update(text).digest();
    if (!seen.add(digest)) {
      this.#drop({ id, reason: 'duplicate' });
      return undefined;
    }
    this.#kept += 1;
    return splitter.place(document, digest);
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
      `no usable document in ${this.#options.sources.join(', ')}${why}`,
      this.dropped.missing_field ? 'name the field that holds the text with `textKey`' : 'name other text',
    );
  }
}
