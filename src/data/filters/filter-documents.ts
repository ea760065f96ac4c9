/** Documents through filters, one at a time or as a stream. */
import type { Document } from '../document.ts';
import type { Rejection, TextFilter } from './filter.ts';
import { TextMeasures } from './text-measures.ts';
import { WordTable } from './words/word-table.ts';

/** A document that was kept, perhaps with an edited text, or one that was rejected, as it was. */
export type FilterResult = { document: Document } | { rejected: Document; rejection: Rejection };

/** Documents and bytes of text, as UTF-8, before and after a filter. */
export interface FunnelStep {
  filter: string;
  version: string;
  documents_in: number;
  documents_out: number;
  bytes_in: number;
  bytes_out: number;
  /** Rejected documents by rule. */
  rejected: Record<string, number>;
}

/** Applies filters in their order, and counts what each of them does. */
export class FilterChain {
  readonly filters: readonly TextFilter[];
  readonly funnel: readonly FunnelStep[];
  readonly #table = new WordTable();

  constructor(filters: readonly TextFilter[]) {
    this.filters = filters;
    this.funnel = filters.map(({ name, version }) => ({
      filter: name,
      version,
      documents_in: 0,
      documents_out: 0,
      bytes_in: 0,
      bytes_out: 0,
      rejected: {},
    }));
  }

  apply(document: Document): FilterResult {
    this.#table.trim();
    let measures = new TextMeasures(document.text, this.#table);
    let bytes = Buffer.byteLength(document.text);
    for (const [i, filter] of this.filters.entries()) {
      const step = this.funnel[i]!;
      step.documents_in += 1;
      step.bytes_in += bytes;
      const result = filter.apply(measures);
      if (typeof result !== 'string') {
        step.rejected[result.rule] = (step.rejected[result.rule] ?? 0) + 1;
        return { rejected: document, rejection: { filter: filter.name, ...result } };
      }
      if (result !== measures.text) {
        measures = new TextMeasures(result, this.#table);
        bytes = Buffer.byteLength(result);
      }
      step.documents_out += 1;
      step.bytes_out += bytes;
    }
    return { document: measures.text === document.text ? document : { ...document, text: measures.text } };
  }
}

/**
 * What the filters make of one document. For many documents FilterChain and filterDocuments are
 * faster, because they know the words of earlier ones; the results are the same.
 */
export function filterDocument(document: Document, filters: readonly TextFilter[]): FilterResult {
  return new FilterChain(filters).apply(document);
}

/** The results of all documents, in their order. */
export async function* filterDocuments(
  documents: AsyncIterable<Document> | Iterable<Document>,
  filters: readonly TextFilter[],
): AsyncGenerator<FilterResult> {
  const chain = new FilterChain(filters);
  for await (const document of documents) yield chain.apply(document);
}
