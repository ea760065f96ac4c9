/**
 * `data prepare` turns a corpus into a folder of token shards. The inputs are divided into units.
 * Threads read and filter these, then one pass over all of them decides which documents stay, then
 * the units are encoded, and at last the shards are put together. The result of each unit is kept
 * in `OUT.partial` until the end, so a run that was stopped continues. Memory does not grow with
 * the corpus, except for 16 bytes of digest per document.
 */
import { checkCounts } from '../../base/check-count.ts';
import { AthanorError } from '../../base/errors.ts';
import type { Ranks } from '../../comm/communicator.ts';
import { native } from '../../native/addon.ts';
import { FolderLock } from '../../native/folder-lock.ts';
import { Tokenizer } from '../../text/tokenizer.ts';
import { type CorpusOptions, checkSources } from '../corpus/corpus.ts';
import { sourceNames } from '../corpus/source.ts';
import { type FilterRecipe, type FunnelStep, funnelOf } from '../filters/filter-documents.ts';
import {
  checkDedup,
  type DecontaminationReport,
  type DedupOptions,
  type DedupReport,
} from './deduplication.ts';
import type { ChoiceOptions } from './document-filter.ts';
import { separatorOf } from './encode-unit.ts';
import { rejectedByRule } from './filtering.ts';
import type { Manifest } from './manifest.ts';
import { checkMixSources, type Mix } from './mix.ts';
import { PartialFolder } from './partial-folder.ts';
import { PrepareJob } from './prepare-job.ts';

/** Options of prepareData. */
export interface PrepareOptions extends CorpusOptions, ChoiceOptions, DedupOptions {
  /** The folder to write, which must not exist yet. */
  out: string;
  /** What to do with a line or file that cannot be used: drop it, or throw ERR_FORMAT. */
  onBadLine: 'skip' | 'fail';
  /** A tokenizer, or its folder or file. Default: one is trained on the training documents. */
  tokenizer?: Tokenizer | string | undefined;
  /** Filters in their order, by name or with settings. Default: none. */
  filters?: FilterRecipe | undefined;
  /** In which proportions training reads the sources. Default: as much as there is of each. */
  mix?: Mix | undefined;
  /** Vocabulary size of a tokenizer that is trained here. */
  vocabSize: number;
  /** Ids after which a shard is complete. Default 100 million, a file of 200 MB. */
  shardTokens?: number | undefined;
  /** Threads that read and filter. Default: as many as the engine has. */
  threads?: number | undefined;
  /**
   * This process among those that prepare the folder together. Each is given the same options, and
   * all of them see the folder. Default: the only one.
   */
  ranks?: Ranks | undefined;
  /**
   * Bytes of input of a unit of work. The shards do not depend on it. Default: 1 to 16 MiB, as the
   * input is small or large.
   */
  unitBytes?: number | undefined;
  /** Begin anew instead of continuing what a run before left in `OUT.partial`. */
  fresh?: boolean | undefined;
  /** Called once, with the units of this rank that a run before has done. */
  onResumed?: ((resumed: { done: number; units: number }) => void) | undefined;
  /** Called with the counts so far. */
  onProgress?: ((progress: PrepareProgress) => void) | undefined;
}

/** The steps of prepareData, in their order. */
export type PreparePhase =
  | 'reading the inputs'
  | 'filtering'
  | 'looking for duplicates'
  | 'choosing'
  | 'training the tokenizer'
  | 'encoding'
  | 'writing the shards'
  | 'waiting for other ranks';

/** Counts of the current phase so far, on this rank. */
export interface PrepareProgress {
  phase: PreparePhase;
  documents: number;
  /** Bytes of text as UTF-8. */
  bytes: number;
  tokens: number;
  /** The share of the bytes of text that the filters have kept so far; 1 before them. */
  kept: number;
  /** How much of the phase is done, and all of it, in a unit of its own. */
  done: number;
  total: number;
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
 * Reads the sources, splits them into training and validation documents, encodes these and writes
 * them to `out`, which appears only when it is complete. What is done is kept in `OUT.partial`, and
 * the same call continues it. The files do not depend on threads, ranks and interruptions. Throws
 * ERR_ARGUMENT when `out` exists or there is no usable document, ERR_OPTION when it lies in a
 * source, ERR_STATE when another process is making it, ERR_MISMATCH when `OUT.partial` is of other
 * options or inputs, ERR_FORMAT for a bad line with onBadLine 'fail', ERR_INTERRUPTED when the
 * signal aborts, and the errors of reading and writing.
 */
export async function prepareData(options: PrepareOptions): Promise<PrepareReport> {
  const start = performance.now();
  const seconds = () => (performance.now() - start) / 1000;
  const { out, ranks = { rank: 0, size: 1 } } = options;
  checkOptions(options, ranks);
  // A mistake in the last source must not show after hours on the first.
  checkSources(options.sources, out, options);
  if (options.mix) checkMixSources(options.mix, sourceNames(options.sources));
  const funnel = await funnelOf(options.filters ?? []);
  checkDedup(options);
  const tokenizer = givenTokenizer(options);
  const lock = ranks.rank === 0 ? FolderLock.takeName(out) : undefined;
  try {
    const folder = new PartialFolder(out);
    const job = new PrepareJob({
      folder,
      options,
      ranks,
      tokenizer,
      funnel,
      threads: options.threads ?? native.numThreads(),
    });
    const manifest = await job.run();
    return { ...reportOf(out, manifest), seconds: seconds() };
  } finally {
    lock?.release();
  }
}

/**
 * Removes what a process that was killed left beside a folder that it had finished. Throws
 * ERR_STATE when another process is making the folder, and ERR_IO.
 */
export function removeLeftovers(out: string): void {
  using _lock = FolderLock.takeName(out);
  new PartialFolder(out).remove();
}

function checkOptions({ validationSplit, threads, unitBytes }: PrepareOptions, ranks: Ranks): void {
  const { rank, size } = ranks;
  if (!(validationSplit >= 0 && validationSplit < 1)) {
    throw new AthanorError(
      'ERR_ARGUMENT',
      `expected \`validationSplit\` to be at least 0 and below 1 but got ${validationSplit}`,
    );
  }
  if (!(Number.isSafeInteger(size) && Number.isSafeInteger(rank) && rank >= 0 && rank < size))
    throw new AthanorError('ERR_ARGUMENT', `expected a rank from 0 below ${size} but got ${rank}`);
  checkCounts({ ...(threads !== undefined && { threads }), ...(unitBytes !== undefined && { unitBytes }) });
}

function givenTokenizer({ tokenizer }: PrepareOptions): Tokenizer | undefined {
  const given = typeof tokenizer === 'string' ? Tokenizer.load(tokenizer) : tokenizer;
  if (given) separatorOf(given);
  return given;
}

function reportOf(out: string, manifest: Manifest): Omit<PrepareReport, 'seconds'> {
  const { splits, vocab_size, dropped, dedup, funnel = [], decontamination = null } = manifest;
  const { train, validation } = splits;
  const sum = (key: 'documents' | 'tokens' | 'bytes') => train[key] + validation[key];
  const [documents, tokens, bytes] = [sum('documents'), sum('tokens'), sum('bytes')];
  const named = manifest.sources.filter((source) => source.documents > 0);
  if (dedup === undefined) throw new AthanorError('ERR_FILE_DAMAGED', `${out} has no report of repetitions`);
  return {
    out,
    documents,
    tokens,
    bytes,
    train_documents: train.documents,
    train_tokens: train.tokens,
    validation_documents: validation.documents,
    validation_tokens: validation.tokens,
    vocab_size,
    bytes_per_token: bytes / tokens,
    sources: Object.fromEntries(named.map(({ name, ...counts }) => [name, counts])),
    dropped,
    rejected: rejectedByRule(funnel),
    funnel,
    duplicates: dedup.exact_documents + dedup.near_documents,
    dedup,
    decontamination,
    shards: train.shards.length + validation.shards.length,
  };
}
