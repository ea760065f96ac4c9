/** Documents through filters, one at a time or as a stream. */
import type { Document } from '../document.ts';
import type { NoteMeasure, Rejection, RuleSetting, TextFilter } from './filter.ts';
import { addMeasure, type MeasureCounts, measureCounts } from './measures.ts';
import { createFilters, type FilterSpec } from './presets.ts';
import { TextMeasures } from './text-measures.ts';
import { WordTable } from './words/word-table.ts';

/** A document that was kept, perhaps with an edited text, or one that was rejected, as it was. */
export type FilterResult = { document: Document } | { rejected: Document; rejection: Rejection };

/**
 * Filters in their order. An entry is a name (`c4`), a name with settings
 * (`c4:min-sentences=3:javascript=off`), the name of a recipe (`fineweb-pipeline`), or a
 * FilterSpec.
 */
export type FilterRecipe = readonly (string | FilterSpec)[];

/** Documents and bytes of text, as UTF-8, before and after a filter. */
export type FunnelStep = {
  filter: string;
  version: string;
  /** The thresholds, and switches, of the rules that were on. */
  rules: Readonly<Record<string, RuleSetting>>;
  documents_in: number;
  documents_out: number;
  bytes_in: number;
  bytes_out: number;
  /** Rejected documents by rule. */
  rejected: Record<string, number>;
};

const newStep = ({ name, version, rules }: TextFilter): FunnelStep => ({
  filter: name,
  version,
  rules,
  documents_in: 0,
  documents_out: 0,
  bytes_in: 0,
  bytes_out: 0,
  rejected: {},
});

/** The steps of a funnel through which nothing went yet. Throws as FilterChain.create does. */
export async function funnelOf(recipe: FilterRecipe): Promise<FunnelStep[]> {
  const filters = await createFilters(recipe);
  for (const filter of filters) filter.close?.();
  return filters.map(newStep);
}

/** Applies filters in their order, and counts what each of them does. */
export class FilterChain {
  /** What each filter did so far. */
  readonly funnel: readonly FunnelStep[];
  readonly #filters: readonly TextFilter[];
  /** By filter and rule. */
  readonly #measures: readonly Map<string, MeasureCounts>[];
  readonly #notes: readonly NoteMeasure[];
  readonly #table = new WordTable();

  private constructor(filters: readonly TextFilter[]) {
    this.#filters = filters;
    this.#measures = filters.map(() => new Map<string, MeasureCounts>());
    this.#notes = filters.map(({ name }, i) => (rule, threshold, value, isKept) => {
      const counts = this.#measures[i]!.get(rule) ?? measureCounts(`${name}.${rule}`, threshold);
      this.#measures[i]!.set(rule, counts);
      addMeasure(counts, value, isKept);
    });
    this.funnel = filters.map(newStep);
  }

  /** Throws ERR_OPTION for an unknown name or setting, and the errors of reading a word list. */
  static async create(recipe: FilterRecipe): Promise<FilterChain> {
    const filters = await createFilters(recipe);
    for (const filter of filters) await filter.load?.();
    return new FilterChain(filters);
  }

  /** Histograms of the measures so far, by rule in the order of the filters. */
  get measures(): MeasureCounts[] {
    return this.#measures.flatMap((rules) => [...rules.values()]);
  }

  /** Frees what the filters hold, such as the model of a classifier. */
  close(): void {
    for (const filter of this.#filters) filter.close?.();
  }

  /** Begins to count from zero. */
  reset(): void {
    for (const step of this.funnel) {
      Object.assign(step, { documents_in: 0, documents_out: 0, bytes_in: 0, bytes_out: 0, rejected: {} });
    }
    for (const rules of this.#measures) rules.clear();
  }

  /**
   * The measures of a text by `filter.rule`, of all filters that are lists of thresholds: not of
   * c4, language, word-list and pii. No rule ends it early, and no filter edits the text.
   */
  measure(text: string): Record<string, number> {
    this.#table.trim();
    const measures = new TextMeasures(text, this.#table);
    const values = this.#filters.flatMap((filter) =>
      Object.entries(filter.measure?.(measures) ?? {}).map(([rule, value]) => [
        `${filter.name}.${rule}`,
        value,
      ]),
    );
    return Object.fromEntries(values);
  }

  /** What the filters make of a document. That depends on its text alone. */
  apply(document: Document): FilterResult {
    this.#table.trim();
    let measures = new TextMeasures(document.text, this.#table);
    let bytes = Buffer.byteLength(document.text);
    for (const [i, filter] of this.#filters.entries()) {
      const step = this.funnel[i]!;
      step.documents_in += 1;
      step.bytes_in += bytes;
      const result = filter.apply(measures, this.#notes[i]);
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
 * What the filters make of one document. For many documents a FilterChain or filterDocuments is
 * faster; the results are the same. Throws as FilterChain.create does.
 */
export async function filterDocument(document: Document, recipe: FilterRecipe): Promise<FilterResult> {
  const chain = await FilterChain.create(recipe);
  try {
    return chain.apply(document);
  } finally {
    chain.close();
  }
}

/**
 * The results of all documents, in their order. A chain that is given counts them in its funnel.
 * Throws as FilterChain.create does.
 */
export async function* filterDocuments(
  documents: AsyncIterable<Document> | Iterable<Document>,
  filters: FilterRecipe | FilterChain,
): AsyncGenerator<FilterResult> {
  const chain = filters instanceof FilterChain ? filters : await FilterChain.create(filters);
  try {
    for await (const document of documents) yield chain.apply(document);
  } finally {
    // A chain that was given is its owner's.
    if (chain !== filters) chain.close();
  }
}
