/**
 * Finds documents that hold a run of words of an evaluation set. Words are compared as MinHash
 * compares them: lower case, numbers as 0, without punctuation and diacritics. A run is compared
 * word by word, so there are no false matches.
 */
import { checkCounts } from '../../base/check-count.ts';
import { AthanorError } from '../../base/errors.ts';
import { withDefaults } from '../../base/with-defaults.ts';
import { native } from '../../native/addon.ts';
import type { NativeNgramIndex } from '../../native/binding/dedup.ts';
import type { Document } from '../document.ts';
import { evaluationFiles, evaluationTexts } from './evaluation-texts.ts';
import { TextBatch } from './text-batch.ts';

/** Which runs of words are contamination. */
export interface DecontaminationOptions {
  /** Words of a run. Default 13, as for GPT-3; datatrove takes 12. */
  ngram?: number;
  /**
   * An evaluation text of fewer words than a run is looked for as a whole when it has at least so
   * many. Default 8, as for GPT-3.
   */
  shortest?: number;
}

export const decontaminationDefaults = { ngram: 13, shortest: 8 } as const satisfies DecontaminationOptions;

/** The texts of a set, and its name for reports. */
export interface EvaluationSource {
  source: string;
  texts: AsyncIterable<{ text: string }> | Iterable<{ text: string }>;
}

/** A set of evaluation texts. */
export interface EvaluationSet {
  /** The file or folder. */
  source: string;
  texts: number;
  /** Texts that are too short to be looked for. */
  too_short: number;
}

/** The evaluation text that a document holds. */
export interface Contamination {
  /** The file or folder of the set that the first match is of. */
  set: string;
  /** The words of the first match. */
  words: string;
  /** Places in the document at which a match begins. */
  matches: number;
}

export class Decontaminator {
  readonly sets: readonly EvaluationSet[];
  readonly settings: Required<DecontaminationOptions>;
  readonly #index: NativeNgramIndex;

  private constructor(
    sets: readonly EvaluationSet[],
    settings: Required<DecontaminationOptions>,
    index: NativeNgramIndex,
  ) {
    this.sets = sets;
    this.settings = settings;
    this.#index = index;
  }

  /**
   * Reads evaluation sets: files and folders of .jsonl, .json, .txt and .md, each also as .gz.
   * Throws as `of` does, ERR_ARGUMENT for other files, ERR_FORMAT for lines that cannot be read,
   * and the errors of reading.
   */
  static async load(paths: readonly string[], options: DecontaminationOptions = {}): Promise<Decontaminator> {
    // A mistake in the last set must not show after minutes on the first.
    for (const source of paths) evaluationFiles(source);
    return Decontaminator.of(
      paths.map((source) => ({ source, texts: evaluationTexts(source) })),
      options,
    );
  }

  /**
   * Takes sets of texts. Throws ERR_ARGUMENT for options out of range and for sets without a text
   * that is long enough, and what the texts throw.
   */
  static async of(
    given: readonly EvaluationSource[],
    options: DecontaminationOptions = {},
  ): Promise<Decontaminator> {
    const settings = withDefaults<Required<DecontaminationOptions>>(decontaminationDefaults, options);
    checkCounts({ ...settings });
    settings.shortest = Math.min(settings.shortest, settings.ngram);
    const index = new native.NativeNgramIndex(settings.ngram, settings.shortest);
    const sets: EvaluationSet[] = [];
    for (const [number, { source, texts }] of given.entries()) {
      const set = { source, texts: 0, too_short: 0 };
      sets.push(set);
      for await (const { text } of texts) {
        set.texts += 1;
        if (index.add([text], number)[0]! < settings.shortest) set.too_short += 1;
      }
    }
    if (index.size() === 0) {
      const names = given.map(({ source }) => source).join(', ');
      const message = `${names}: no text has at least ${settings.shortest} words`;
      throw new AthanorError('ERR_ARGUMENT', message, 'name other files, or lower the shortest run');
    }
    return new Decontaminator(sets, settings, index);
  }

  /**
   * What each text holds of the sets; undefined for nothing. Texts are shared out among threads.
   */
  find(texts: readonly string[]): (Contamination | undefined)[] {
    const [matches, sets, words] = this.#index.find(texts);
    return texts.map((_, i) => {
      if (matches[i] === 0) return undefined;
      return { set: this.sets[sets[i]!]!.source, words: words[i]!, matches: matches[i]! };
    });
  }
}

/**
 * The documents that hold nothing of the sets, in their order. Throws what `documents` throws.
 * @param onRemoved is told of each of the others
 */
export async function* withoutContaminated(
  documents: AsyncIterable<Document>,
  decontaminator: Decontaminator,
  onRemoved?: (document: Document, contamination: Contamination) => void,
): AsyncGenerator<Document> {
  for await (const { item, contamination } of inspected(documents, decontaminator, (document) => document)) {
    if (contamination === undefined) yield item;
    else onRemoved?.(item, contamination);
  }
}

/** Each item with what its document holds; items without a document have nothing. */
export async function* inspected<T>(
  items: AsyncIterable<T>,
  decontaminator: Decontaminator,
  documentOf: (item: T) => Document | undefined,
): AsyncGenerator<{ item: T; contamination: Contamination | undefined }> {
  let batch = new TextBatch<T>();
  function* decided() {
    const found = decontaminator.find(batch.texts);
    for (const [i, item] of batch.items.entries()) yield { item, contamination: found[i] };
    batch = new TextBatch();
  }
  for await (const item of items) {
    if (batch.add(documentOf(item)?.text ?? '', item)) yield* decided();
  }
  yield* decided();
}
