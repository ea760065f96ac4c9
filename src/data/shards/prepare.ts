/**
 * `data prepare` turns a corpus into a folder of token shards. Memory does not grow with the
 * corpus, except for 16 bytes of digest per document.
 */
import { join } from 'node:path';
import { setImmediate as yieldToEvents } from 'node:timers/promises';
import { AthanorError } from '../../base/errors.ts';
import { createFolder } from '../../base/files/create-folder.ts';
import { replaceFile } from '../../base/files/replace-file.ts';
import { FolderLock } from '../../native/folder-lock.ts';
import { Tokenizer } from '../../text/tokenizer.ts';
import { checkSource } from '../corpus/corpus.ts';
import type { Dropped } from '../document.ts';
import { FilterChain, type FilterRecipe, type FunnelStep } from '../filters/filter-documents.ts';
import { JsonlLog } from '../jsonl-log.ts';
import {
  checkDedup,
  type DecontaminationReport,
  Deduplication,
  type DedupOptions,
  type DedupPass,
  type DedupReport,
} from './deduplication.ts';
import { type CorpusPass, DocumentFilter, type FilterOptions } from './document-filter.ts';
import { FilterPass, rejectedByRule } from './filtering.ts';
import { MANIFEST, type Manifest, type Split, splits } from './manifest.ts';
import { ShardWriter } from './shard-writer.ts';
import type { PlacedDocument } from './splitter.ts';

/** Options of prepareData. */
export interface PrepareOptions extends FilterOptions, DedupOptions {
  /** The folder to write, which must not exist yet. */
  out: string;
  /** A tokenizer, or its folder or file. Default: one is trained on the training documents. */
  tokenizer?: Tokenizer | string | undefined;
  /** Filters in their order, by name or with settings. Default: none. */
  filters?: FilterRecipe | undefined;
  /** Vocabulary size of a tokenizer that is trained here. */
  vocabSize: number;
  /** Ids after which a shard is complete. Default 100 million, a file of 200 MB. */
  shardTokens?: number | undefined;
  /** Called during both passes with the counts so far. */
  onProgress?: ((progress: PrepareProgress) => void) | undefined;
}

/** Counts of the current pass so far. */
export interface PrepareProgress {
  phase: 'looking for duplicates' | 'training the tokenizer' | 'encoding';
  documents: number;
  /** Bytes of text as UTF-8. */
  bytes: number;
  tokens: number;
}

/** Counts of a prepared folder. `bytes` are those of text as UTF-8. */
export type PrepareReport = {
  out: string;
  documents: number;
  tokens: number;
  bytes: number;
  train_documents: number;
  train_tokens: number;
  validation_documents: number;
  validation_tokens: number;
  vocab_size: number;
  bytes_per_token: number;
  /** Counts of the documents that were kept, by source. */
  sources: Record<string, { documents: number; tokens: number; bytes: number }>;
  /** Numbers of dropped lines and files by reason. */
  dropped: Record<string, number>;
  /** Numbers of documents that filters rejected, by `filter.rule`. */
  rejected: Record<string, number>;
  /** Documents and bytes before and after each filter. */
  funnel: FunnelStep[];
  /** Documents that were dropped as repetitions, exact and near. */
  duplicates: number;
  dedup: DedupReport;
  /** Null when there are no evaluation sets. */
  decontamination: DecontaminationReport | null;
  shards: number;
  seconds: number;
};

/**
 * Characters that are encoded at once: a few megabytes, so that every thread of the
 * tokenizer has work.
 */
const BATCH_CHARS = 4 << 20;
const SHARD_TOKENS = 100_000_000;
const DROPPED_LOG = 'dropped.jsonl';

/**
 * Reads the sources, splits them into training and validation documents, encodes these and writes
 * them to `out`, which appears only when it is complete. Throws ERR_ARGUMENT when `out` exists or
 * there is no usable document, ERR_OPTION when it lies in a source, ERR_STATE when another process
 * is making it, ERR_FORMAT for a bad line with onBadLine 'fail', ERR_INTERRUPTED when the signal
 * aborts, and the errors of reading and writing.
 */
export async function prepareData(options: PrepareOptions): Promise<PrepareReport> {
  const { validationSplit } = options;
  if (!(validationSplit >= 0 && validationSplit < 1)) {
    throw new AthanorError(
      'ERR_ARGUMENT',
      `expected \`validationSplit\` to be at least 0 and below 1 but got ${validationSplit}`,
    );
  }
  // A mistake in the last source must not show after hours on the first.
  for (const source of options.sources) checkSource(source, options.out, options);
  const filters = await FilterChain.create(options.filters ?? []);
  checkDedup(options);
  const start = performance.now();
  const lock = FolderLock.takeName(options.out);
  try {
    return await createFolder(options.out, async (folder) => {
      const dedup = await Deduplication.begin(options, folder);
      try {
        await dedup.survey((pass) => survey(options, pass));
        const tokenizer = await tokenizerFor(options, dedup);
        const pass = { filters: new FilterPass(filters, folder), dedup: dedup.pass(true) };
        const report = await new ShardJob(options, tokenizer, folder, pass).run();
        return { ...report, seconds: (performance.now() - start) / 1000 };
      } finally {
        dedup.close();
      }
    });
  } finally {
    lock.release();
  }
}

/** For a pass that reports no dropped items: the one that encodes the documents does. */
async function quietFilter(options: PrepareOptions, dedup: DedupPass): Promise<DocumentFilter> {
  const filters = new FilterPass(await FilterChain.create(options.filters ?? []));
  return new DocumentFilter({ ...options, onDropped: undefined }, { filters, dedup });
}

/** All documents before any is left out as nearly equal to another one. */
async function* survey(options: PrepareOptions, pass: DedupPass) {
  const progress = { phase: 'looking for duplicates' as const, documents: 0, bytes: 0, tokens: 0 };
  const filter = await quietFilter(options, pass);
  for await (const { document } of filter.remaining()) {
    progress.documents += 1;
    progress.bytes += Buffer.byteLength(document.text);
    options.onProgress?.(progress);
    yield document;
  }
}

async function tokenizerFor(options: PrepareOptions, dedup: Deduplication): Promise<Tokenizer> {
  const given = options.tokenizer;
  if (given === undefined) return trainTokenizer(options, dedup.pass());
  return typeof given === 'string' ? Tokenizer.load(given) : given;
}

async function trainTokenizer(options: PrepareOptions, pass: DedupPass): Promise<Tokenizer> {
  const progress = { phase: 'training the tokenizer' as const, documents: 0, bytes: 0, tokens: 0 };
  const filter = await quietFilter(options, pass);
  async function* texts() {
    for await (const { text, split } of filter.documents()) {
      if (split !== 'train') continue;
      progress.documents += 1;
      progress.bytes += Buffer.byteLength(text);
      options.onProgress?.(progress);
      yield text;
    }
  }
  return Tokenizer.train(texts(), { vocabSize: options.vocabSize, signal: options.signal });
}

/** The second pass, which encodes documents and writes the shards. */
class ShardJob {
  readonly #options: PrepareOptions;
  readonly #tokenizer: Tokenizer;
  readonly #folder: string;
  readonly #separator: number;
  readonly #width: 2 | 4;
  readonly #writers: Record<Split, ShardWriter>;
  readonly #log: JsonlLog;
  readonly #pass: CorpusPass;
  readonly #sources = new Map<string, PrepareReport['sources'][string]>();
  readonly #progress = { phase: 'encoding' as const, documents: 0, bytes: 0, tokens: 0 };

  constructor(options: PrepareOptions, tokenizer: Tokenizer, folder: string, pass: CorpusPass) {
    const separator = tokenizer.eosId;
    if (separator === undefined) {
      throw new AthanorError(
        'ERR_ARGUMENT',
        'the tokenizer has no end-of-text token',
        'name one as eos_token in its tokenizer_config.json',
      );
    }
    const width = tokenizer.vocabSize <= 65536 ? 2 : 4;
    const shardTokens = options.shardTokens ?? SHARD_TOKENS;
    const writer = (split: Split) => new ShardWriter({ folder, split, width, separator, shardTokens });
    this.#options = options;
    this.#tokenizer = tokenizer;
    this.#folder = folder;
    this.#separator = separator;
    this.#width = width;
    this.#writers = { train: writer('train'), validation: writer('validation') };
    this.#log = new JsonlLog(join(folder, DROPPED_LOG));
    this.#pass = pass;
  }

  async run(): Promise<Omit<PrepareReport, 'seconds'>> {
    try {
      const dropped = await this.#writeDocuments();
      for (const split of splits) this.#writers[split].close();
      this.#log.close();
      this.#pass.filters.close();
      this.#pass.dedup.close();
      this.#tokenizer.save(this.#folder);
      const manifest = this.#manifest(dropped);
      replaceFile(join(this.#folder, MANIFEST), `${JSON.stringify(manifest, null, 2)}\n`);
      return this.#report(manifest);
    } finally {
      for (const split of splits) this.#writers[split].abandon();
      this.#log.abandon();
      this.#pass.filters.abandon();
      this.#pass.dedup.abandon();
    }
  }

  /** @returns number of dropped items by reason */
  async #writeDocuments(): Promise<Record<string, number>> {
    const { onDropped } = this.#options;
    const log = (dropped: Dropped) => {
      this.#log.add(dropped);
      onDropped?.(dropped);
    };
    const filter = new DocumentFilter({ ...this.#options, onDropped: log }, this.#pass);
    let batch: PlacedDocument[] = [];
    let chars = 0;
    for await (const document of filter.documents()) {
      batch.push(document);
      chars += document.text.length;
      if (chars < BATCH_CHARS) continue;
      this.#encode(batch);
      batch = [];
      chars = 0;
      await yieldToEvents();
    }
    this.#encode(batch);
    return filter.dropped;
  }

  #encode(batch: readonly PlacedDocument[]): void {
    const texts = batch.map(({ text }) => text);
    const ids = this.#tokenizer
      .encodeBatch(texts, { addSpecialTokens: true })
      .map((document) => this.#betweenSeparators(document));
    for (const [i, { text, split, source }] of batch.entries()) {
      const bytes = Buffer.byteLength(text);
      const tokens = ids[i]!.length + 1;
      this.#writers[split].add(ids[i]!, bytes);
      const ofSource = this.#sources.get(source) ?? { documents: 0, tokens: 0, bytes: 0 };
      this.#sources.set(source, ofSource);
      for (const counts of [this.#progress, ofSource]) {
        counts.documents += 1;
        counts.tokens += tokens;
        counts.bytes += bytes;
      }
    }
    this.#options.onProgress?.(this.#progress);
  }

  /** A document without the end-of-text token at its ends: the separators are those already. */
  #betweenSeparators(ids: Int32Array): Int32Array {
    const { before, after } = this.#tokenizer.frame;
    const begin = before[0] === this.#separator ? 1 : 0;
    const end = after.at(-1) === this.#separator ? ids.length - 1 : ids.length;
    return ids.subarray(begin, end);
  }

  #manifest(dropped: Record<string, number>): Manifest {
    const { funnel } = this.#pass.filters;
    return {
      format: 'athanor-tokens',
      version: 1,
      vocab_size: this.#tokenizer.vocabSize,
      eos_id: this.#separator,
      width: this.#width,
      tokenizer_fingerprint: this.#tokenizer.fingerprint(),
      splits: { train: totals(this.#writers.train), validation: totals(this.#writers.validation) },
      sources: [...this.#options.sources],
      dropped,
      ...(funnel.length > 0 && { funnel: [...funnel] }),
    };
  }

  #report({ splits: { train, validation }, vocab_size, dropped }: Manifest): Omit<PrepareReport, 'seconds'> {
    const { documents, tokens, bytes } = this.#progress;
    const { filters, dedup } = this.#pass;
    const { funnel } = filters;
    return {
      out: this.#options.out,
      documents,
      tokens,
      bytes,
      train_documents: train.documents,
      train_tokens: train.tokens,
      validation_documents: validation.documents,
      validation_tokens: validation.tokens,
      vocab_size,
      bytes_per_token: bytes / tokens,
      sources: Object.fromEntries(this.#sources),
      dropped,
      rejected: rejectedByRule(funnel),
      funnel: [...funnel],
      duplicates: dedup.report.exact_documents + dedup.report.near_documents,
      dedup: dedup.report,
      decontamination: dedup.decontamination() ?? null,
      shards: train.shards.length + validation.shards.length,
    };
  }
}

function totals({ entries }: ShardWriter): Manifest['splits'][Split] {
  const sum = (key: 'tokens' | 'documents' | 'bytes') =>
    entries.reduce((total, entry) => total + entry[key], 0);
  return { tokens: sum('tokens'), documents: sum('documents'), bytes: sum('bytes'), shards: entries };
}
