/**
 * What `data prepare` does about repeated and contaminated documents: the options, the pass over
 * the corpus that finds near duplicates, and the files that stay in the folder.
 */
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { AthanorError } from '../../base/errors.ts';
import {
  type Contamination,
  type DecontaminationOptions,
  Decontaminator,
  inspected,
} from '../dedup/decontaminate.ts';
import { readDigests, writeDigests } from '../dedup/digest-file.ts';
import { DigestSet } from '../dedup/digest-set.ts';
import { evaluationFiles, evaluationTexts } from '../dedup/evaluation-texts.ts';
import { minHashDefaults } from '../dedup/minhash.ts';
import { findNearDuplicates, type KeepPolicy, type NearDuplicates } from '../dedup/near-duplicates.ts';
import { type RemainingText, RepeatedParts } from '../dedup/repeated-parts.ts';
import { RepeatedRuns } from '../dedup/repeated-runs.ts';
import type { Dropped } from '../document.ts';
import { JsonlLog } from '../jsonl-log.ts';
import type { FilteredDocument, FilteredItem } from './filtered-corpus.ts';
import { rejectedFile } from './filtering.ts';
import { MANIFEST } from './manifest.ts';
import { TokenDataset } from './token-dataset.ts';

export const dedupMethods = [
  'none',
  'exact',
  'exact-paragraph',
  'exact-line',
  'exact-run',
  'minhash',
] as const;
/** Which repetitions are removed. All but `none` remove documents with equal texts. */
export type DedupMethod = (typeof dedupMethods)[number];

/** What is done about repeated and contaminated documents. */
export interface DedupOptions {
  /** Default exact. */
  dedup?: DedupMethod | undefined;
  /** The document of a cluster that stays, with minhash. Default first. */
  dedupKeep?: KeepPolicy | undefined;
  /** Words of a shingle, with minhash. Default 5. */
  dedupNgram?: number | undefined;
  /** Bands of a signature, with minhash. Default 14. */
  dedupBands?: number | undefined;
  /** Hashes of a band, with minhash. Default 8. */
  dedupRows?: number | undefined;
  /** Fewest words of a run, with exact-run. Default 50. */
  dedupRun?: number | undefined;
  /** Shorter paragraphs or lines stay, with exact-paragraph and exact-line. Default 1. */
  dedupMinChars?: number | undefined;
  /** Folders of token shards: what repeats their documents is removed too. */
  against?: readonly string[] | undefined;
  /**
   * Files and folders of evaluation texts, or folders of token shards by the documents that they
   * hold out: documents that hold a text of these are removed.
   */
  decontaminate?: readonly string[] | undefined;
  /** Words in a row that are contamination. Default 13. */
  decontaminateNgram?: number | undefined;
  /** An evaluation text of fewer words counts as a whole if it has so many. Default 8. */
  decontaminateShortest?: number | undefined;
  /** Contaminated documents are counted and reported, and stay. */
  decontaminateReport?: boolean | undefined;
}

/** What was removed as a repetition. Bytes are those of UTF-8. */
export type DedupReport = {
  method: DedupMethod;
  /** Documents whose text, or each part of it, stood before, here or in an earlier corpus. */
  exact_documents: number;
  /** Of those whose text stood before. */
  exact_bytes: number;
  /** Documents that are nearly equal to one that stays. */
  near_documents: number;
  near_bytes: number;
  /** Clusters of two and more near duplicates, and the size of the largest. */
  clusters: number;
  largest_cluster: number;
  /** Documents among all these that repeat an earlier corpus. */
  earlier_documents: number;
  /** Repeated paragraphs, lines or runs of words. */
  parts: number;
  part_bytes: number;
};

/** What was found of the evaluation sets. */
export type DecontaminationReport = {
  ngram: number;
  shortest: number;
  /** Whether the documents were removed. */
  removed: boolean;
  documents: number;
  bytes: number;
  sets: { source: string; texts: number; too_short: number; documents: number }[];
};

const digestFile = (folder: string, unit: string) => join(folder, `${unit}.digests`);
const keysFile = (folder: string) => join(folder, 'minhash.keys');
const CLUSTERS = 'clusters.jsonl';

const unitOf = (method: DedupMethod) =>
  method === 'exact-paragraph' ? 'paragraph' : method === 'exact-line' ? 'line' : undefined;

/**
 * Throws ERR_OPTION for an option that has no effect beside the others, ERR_ARGUMENT for an unknown
 * method, and ERR_FILE_MISSING for an earlier folder that lacks what it is compared by.
 */
export function checkDedup(options: DedupOptions): void {
  const { dedup = 'exact', against = [], decontaminate = [] } = options;
  if (!dedupMethods.includes(dedup)) {
    throw new AthanorError('ERR_ARGUMENT', `\`dedup\` is ${dedup}, not one of ${dedupMethods.join(', ')}`);
  }
  const needs = (keys: readonly (keyof DedupOptions)[], what: string, met: boolean) => {
    const given = keys.find((key) => options[key] !== undefined && options[key] !== false);
    if (given === undefined || met) return;
    throw new AthanorError('ERR_OPTION', `\`${given}\` has no effect without ${what}`, 'leave it out');
  };
  const minhash = ['dedupKeep', 'dedupNgram', 'dedupBands', 'dedupRows'] as const;
  needs(minhash, '`dedup` minhash', dedup === 'minhash');
  needs(['dedupRun'], '`dedup` exact-run', dedup === 'exact-run');
  needs(['dedupMinChars'], '`dedup` exact-paragraph or exact-line', unitOf(dedup) !== undefined);
  needs(
    ['decontaminateNgram', 'decontaminateShortest', 'decontaminateReport'],
    '`decontaminate`',
    decontaminate.length > 0,
  );
  if (against.length > 0 && (dedup === 'none' || dedup === 'exact-run')) {
    const message = `\`against\` has no effect with \`dedup\` ${dedup}`;
    throw new AthanorError('ERR_OPTION', message, 'choose another method');
  }
  for (const folder of against) {
    for (const path of filesOfEarlier(folder, dedup)) {
      if (existsSync(path)) continue;
      const remedy = `prepare that corpus with \`dedup\` ${dedup}`;
      throw new AthanorError(
        'ERR_FILE_MISSING',
        `${folder} cannot be compared with: it has no ${path}`,
        remedy,
      );
    }
  }
}

function filesOfEarlier(folder: string, method: DedupMethod): string[] {
  const unit = unitOf(method);
  return [
    digestFile(folder, 'document'),
    ...(unit === undefined ? [] : [digestFile(folder, unit)]),
    ...(method === 'minhash' ? [keysFile(folder)] : []),
  ];
}

/** Folders of token shards are sets by the documents that they hold out. */
async function loadSets(paths: readonly string[], options: DecontaminationOptions): Promise<Decontaminator> {
  const areShards = paths.map((path) => existsSync(join(path, MANIFEST)));
  for (const [i, path] of paths.entries()) if (!areShards[i]) evaluationFiles(path);
  const sets = paths.map((source, i) => ({
    source,
    texts: areShards[i] ? heldOut(source) : evaluationTexts(source),
  }));
  return Decontaminator.of(sets, options);
}

function* heldOut(folder: string): Generator<{ text: string }> {
  const dataset = TokenDataset.open(folder);
  try {
    const tokenizer = dataset.tokenizer();
    for (const { start, end } of dataset.documents('validation')) {
      yield { text: tokenizer.decode(dataset.read('validation', start + 1, end - start - 1)) };
    }
  } finally {
    dataset.close();
  }
}

/** A step of a pass: it changes items or leaves them out. */
export type CorpusStep = (items: AsyncIterable<FilteredItem>) => AsyncGenerator<FilteredItem>;

/** Where files of a run go. */
export interface DedupFolders {
  /** Those that stay. */
  folder: string;
  /** Those for sorting. */
  scratch: string;
}

/** One per run of `data prepare`. */
export class Deduplication {
  readonly method: DedupMethod;
  readonly #options: DedupOptions;
  readonly #folder: string;
  readonly #scratch: string;
  readonly #decontaminator: Decontaminator | undefined;
  readonly #earlier = new DigestSet();
  #near: NearDuplicates | undefined;
  #runs: RepeatedRuns | undefined;

  private constructor(
    options: DedupOptions,
    { folder, scratch }: DedupFolders,
    decontaminator: Decontaminator | undefined,
  ) {
    const { dedup = 'exact', against = [] } = options;
    this.method = dedup;
    this.#options = options;
    this.#folder = folder;
    this.#scratch = scratch;
    this.#decontaminator = decontaminator;
    for (const earlier of against) readDigests(digestFile(earlier, 'document'), this.#earlier);
  }

  /**
   * Throws the errors of Decontaminator.load, and of reading the files of earlier corpora.
   */
  static async begin(options: DedupOptions, folders: DedupFolders): Promise<Deduplication> {
    const { decontaminate = [], decontaminateNgram: ngram, decontaminateShortest: shortest } = options;
    const settings = { ...(ngram !== undefined && { ngram }), ...(shortest !== undefined && { shortest }) };
    const sets = decontaminate.length > 0 ? await loadSets(decontaminate, settings) : undefined;
    return new Deduplication(options, folders, sets);
  }

  /**
   * Finds near duplicates or repeated runs, if the method does. `read` reads the corpus with the
   * pass that it gets.
   */
  async survey(read: (pass: DedupPass) => AsyncIterable<{ text: string }>): Promise<void> {
    if (this.method === 'exact-run') await this.#addRuns(read(this.pass()));
    if (this.method !== 'minhash') return;
    const { dedupKeep, dedupNgram, dedupBands, dedupRows, against = [] } = this.#options;
    const pass = this.pass();
    this.#near = await findNearDuplicates(read(pass), {
      keep: dedupKeep ?? 'first',
      ngram: dedupNgram ?? minHashDefaults.ngram,
      bands: dedupBands ?? minHashDefaults.bands,
      rows: dedupRows ?? minHashDefaults.rows,
      earlier: against.map(keysFile),
      folder: this.#scratch,
      keysPath: keysFile(this.#folder),
    });
  }

  async #addRuns(documents: AsyncIterable<{ text: string }>): Promise<void> {
    const { dedupRun: words } = this.#options;
    const runs = new RepeatedRuns({ folder: this.#scratch, ...(words !== undefined && { words }) });
    this.#runs = runs;
    for await (const { text } of documents) runs.add(text);
    runs.finish();
  }

  /** Removes temporary files that the passes share. */
  close(): void {
    this.#runs?.close();
  }

  /** @param log whether this pass writes the files and counts, as the last one does */
  pass(log = false): DedupPass {
    const { dedupMinChars: minChars, against = [], decontaminateReport = false } = this.#options;
    const unit = unitOf(this.method);
    return new DedupPass({
      method: this.method,
      folder: log ? this.#folder : undefined,
      near: this.#near,
      runs: this.#runs,
      earlier: this.#earlier,
      parts: unit && {
        unit,
        repeated: new RepeatedParts({
          unit,
          earlier: against.map((folder) => digestFile(folder, unit)),
          ...(minChars !== undefined && { minChars }),
        }),
      },
      decontaminator: this.#decontaminator,
      removes: !decontaminateReport,
    });
  }
}

interface PassParts {
  method: DedupMethod;
  /** The folder that is being made, in the pass that writes. */
  folder: string | undefined;
  near: NearDuplicates | undefined;
  runs: RepeatedRuns | undefined;
  earlier: DigestSet;
  parts: { unit: 'paragraph' | 'line'; repeated: RepeatedParts } | undefined;
  decontaminator: Decontaminator | undefined;
  removes: boolean;
}

/** One pass over the corpus, which sees the same documents as every other. */
export class DedupPass {
  readonly report: DedupReport;
  readonly #own = new DigestSet();
  readonly #parts: PassParts;
  readonly #bySet = new Map<string, number>();
  readonly #contaminated = { documents: 0, bytes: 0 };
  readonly #logs = new Map<string, JsonlLog>();
  #index = 0;

  constructor(parts: PassParts) {
    this.#parts = parts;
    const { clusters, largest_cluster } = parts.near?.report ?? { clusters: 0, largest_cluster: 0 };
    this.report = {
      method: parts.method,
      exact_documents: 0,
      exact_bytes: 0,
      near_documents: 0,
      near_bytes: 0,
      clusters,
      largest_cluster,
      earlier_documents: 0,
      parts: 0,
      part_bytes: 0,
    };
  }

  /** What happens to the items as they are read, in order. */
  steps(): CorpusStep[] {
    const { decontaminator, parts } = this.#parts;
    return [
      ...(decontaminator ? [(items: AsyncIterable<FilteredItem>) => this.#clean(items, decontaminator)] : []),
      ...(parts ? [(items: AsyncIterable<FilteredItem>) => this.#withoutParts(items)] : []),
    ];
  }

  /** The item for a document that is dropped as a repetition; undefined for one that stays. */
  repetition(document: FilteredDocument): Dropped | undefined {
    const { id } = document;
    if (this.#parts.method === 'none') return undefined;
    if (this.#repeats(document)) return { id, reason: 'duplicate' };
    const { near } = this.#parts;
    if (near === undefined) return undefined;
    const index = this.#index++;
    const cluster = near.cluster(index);
    if (cluster === undefined) return undefined;
    const kept = near.isKept(index);
    this.#log(CLUSTERS, { cluster, id, kept });
    if (kept) return undefined;
    this.report.near_documents += 1;
    this.report.near_bytes += Buffer.byteLength(document.text);
    if (cluster === 'earlier') this.report.earlier_documents += 1;
    return { id, reason: 'near_duplicate', detail: `cluster ${cluster}` };
  }

  #repeats({ text, digest }: FilteredDocument): boolean {
    const earlier = this.#parts.earlier.has(digest);
    if (this.#own.add(digest) && !earlier) return false;
    this.report.exact_documents += 1;
    this.report.exact_bytes += Buffer.byteLength(text);
    if (earlier) this.report.earlier_documents += 1;
    return true;
  }

  async *#clean(
    items: AsyncIterable<FilteredItem>,
    decontaminator: Decontaminator,
  ): AsyncGenerator<FilteredItem> {
    const documentOf = (item: FilteredItem) => ('document' in item ? item.document : undefined);
    for await (const { item, contamination } of inspected(items, decontaminator, documentOf)) {
      if (!contamination || !('document' in item)) {
        yield item;
        continue;
      }
      this.#contaminate(item.document, contamination);
      const detail = `${contamination.set}: ${contamination.words}`;
      if (!this.#parts.removes) yield item;
      else yield { dropped: { id: item.document.id, reason: 'contaminated', detail } };
    }
  }

  #contaminate({ id, source, text }: FilteredDocument, { set, words, matches }: Contamination): void {
    this.#bySet.set(set, (this.#bySet.get(set) ?? 0) + 1);
    this.#contaminated.documents += 1;
    this.#contaminated.bytes += Buffer.byteLength(text);
    const rule = 'decontaminate';
    const row = { id, source, rule, value: matches, threshold: 1, ngram: words, set, text };
    this.#log(rejectedFile(rule), row);
  }

  async *#withoutParts(items: AsyncIterable<FilteredItem>): AsyncGenerator<FilteredItem> {
    const { unit, repeated } = this.#parts.parts!;
    for await (const item of items) {
      if (!('document' in item)) {
        yield item;
        continue;
      }
      const rest = this.#rest(item.document, repeated.take(item.document.text), unit);
      if ('document' in rest && rest.document.isEdited) {
        rest.document.digest = createHash('sha256').update(rest.document.text).digest();
      }
      yield rest;
    }
  }

  /** The documents without the runs of words that stood before. */
  async *shortened(documents: AsyncIterable<FilteredDocument>): AsyncGenerator<FilteredItem> {
    const { runs } = this.#parts;
    if (runs === undefined) {
      for await (const document of documents) yield { document };
      return;
    }
    for await (const { item, left } of runs.shortened(documents, ({ text }) => text)) {
      yield this.#rest(item, left, 'run');
    }
  }

  #rest(document: FilteredDocument, left: RemainingText, unit: string): FilteredItem {
    if (left.removed.length === 0) return { document };
    const { id, source } = document;
    this.report.parts += left.removed.length;
    this.report.part_bytes += left.removed.reduce((sum, part) => sum + Buffer.byteLength(part), 0);
    const rule = `exact-${unit}`;
    const text = left.removed.join('\n');
    const row = { id, source, rule, value: left.removed.length, threshold: 1, text };
    this.#log(rejectedFile(rule), row);
    if (/\S/.test(left.text)) {
      return { document: { ...document, text: left.text, isEdited: true } };
    }
    this.report.exact_documents += 1;
    return { dropped: { id, reason: 'duplicate', detail: `every ${unit} of it stood before` } };
  }

  #log(name: string, row: object): void {
    const { folder } = this.#parts;
    if (folder === undefined) return;
    const log = this.#logs.get(name) ?? new JsonlLog(join(folder, name));
    this.#logs.set(name, log);
    log.add(row);
  }

  /** Completes the files of the pass that writes. Throws ERR_DISK_FULL or ERR_IO. */
  close(): void {
    for (const log of this.#logs.values()) log.close();
    const { folder, method, parts } = this.#parts;
    if (folder === undefined || method === 'none') return;
    writeDigests(digestFile(folder, 'document'), this.#own);
    if (parts) parts.repeated.save(digestFile(folder, parts.unit));
  }

  /** Closes the files without completing them. */
  abandon(): void {
    for (const log of this.#logs.values()) log.abandon();
  }

  /** Of the evaluation sets, if there are any. */
  decontamination(): DecontaminationReport | undefined {
    const { decontaminator, removes } = this.#parts;
    if (!decontaminator) return undefined;
    return {
      ...decontaminator.settings,
      removed: removes,
      ...this.#contaminated,
      sets: decontaminator.sets.map((set) => ({ ...set, documents: this.#bySet.get(set.source) ?? 0 })),
    };
  }
}
