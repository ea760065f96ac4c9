/** `data prepare`: a corpus becomes a folder of token shards, written aside and renamed when whole. */
import { createHash } from 'node:crypto';
import {
  closeSync,
  existsSync,
  fsyncSync,
  mkdirSync,
  openSync,
  renameSync,
  rmSync,
  writeSync,
} from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { setImmediate as yieldToEvents } from 'node:timers/promises';
import { AthanorError, fileError } from '../native/errors.ts';
import { Tokenizer } from '../text/tokenizer.ts';
import { type CorpusOptions, readCorpus } from './corpus.ts';
import type { Document, Dropped } from './document.ts';
import { MANIFEST, type Manifest, type Split } from './manifest.ts';
import { ShardWriter } from './shard-writer.ts';

export interface PrepareOptions extends CorpusOptions {
  /** Files, folders and packaged names. */
  sources: readonly string[];
  /** Folder to write; must not exist yet. */
  out: string;
  /** Folder or file of a tokenizer; one is trained on the corpus when left out. */
  tokenizer?: string;
  /** Vocabulary of a tokenizer trained here. */
  vocabSize: number;
  /** Share of the documents held back, chosen by a hash of their text. */
  validation: number;
  /** Documents of fewer characters are dropped. */
  minChars: number;
  /** What to do with a line or file that cannot be used. */
  onBadLine: 'skip' | 'fail';
  onProgress?: (progress: PrepareProgress) => void;
  /** Told of each item that is dropped. */
  onDropped?: (dropped: Dropped) => void;
}

export interface PrepareProgress {
  phase: 'training the tokenizer' | 'encoding';
  documents: number;
  bytes: number;
  tokens: number;
}

export type PrepareReport = {
  out: string;
  documents: number;
  tokens: number;
  bytes: number;
  validation_tokens: number;
  vocab_size: number;
  bytes_per_token: number;
  dropped: Record<string, number>;
};

/** Documents encoded at once: some megabytes, so that every thread of the tokenizer has work. */
const BATCH_CHARS = 4 << 20;

/**
 * Throws ERR_ARGUMENT when `out` exists or nothing usable is found, ERR_FORMAT for a bad line under onBadLine 'fail',
 * and whatever reading and writing throw. `out` appears only when all is done.
 */
export async function prepareData(options: PrepareOptions): Promise<PrepareReport> {
  if (existsSync(options.out)) {
    throw new AthanorError(
      'ERR_ARGUMENT',
      `${options.out} exists already`,
      'delete it or name another --out',
    );
  }
  const temporary = `${resolve(options.out)}.tmp-${process.pid}`;
  try {
    mkdirSync(temporary, { recursive: true });
    const report = await writeShards(options, temporary);
    renameSync(temporary, options.out);
    syncFolder(dirname(resolve(options.out)));
    return report;
  } catch (error) {
    rmSync(temporary, { recursive: true, force: true });
    throw error instanceof AthanorError ? error : fileError(error, options.out, 'write');
  }
}

async function writeShards(options: PrepareOptions, folder: string): Promise<PrepareReport> {
  const tokenizer = options.tokenizer ? Tokenizer.load(options.tokenizer) : await trainTokenizer(options);
  const separator = tokenizer.eosId;
  if (separator === undefined) {
    throw new AthanorError(
      'ERR_ARGUMENT',
      `the tokenizer has no end-of-text token`,
      'use one that names its eos_token',
    );
  }
  const width = tokenizer.vocabSize <= 65536 ? 2 : 4;
  const writers: Record<Split, ShardWriter> = {
    train: new ShardWriter(folder, 'train', width, separator),
    validation: new ShardWriter(folder, 'validation', width, separator),
  };
  const stream = new CorpusStream(options);
  const progress = { phase: 'encoding' as const, documents: 0, bytes: 0, tokens: 0 };
  let batch: Document[] = [];
  let chars = 0;
  const flush = async () => {
    for (const [i, ids] of tokenizer.encodeBatch(batch.map(({ text }) => text)).entries()) {
      const { text } = batch[i]!;
      const bytes = Buffer.byteLength(text);
      writers[splitOf(text, options.validation)].add(ids, bytes);
      progress.documents += 1;
      progress.bytes += bytes;
      progress.tokens += ids.length + 1;
    }
    batch = [];
    chars = 0;
    options.onProgress?.(progress);
    await yieldToEvents();
  };
  for await (const document of stream.documents()) {
    batch.push(document);
    chars += document.text.length;
    if (chars >= BATCH_CHARS) await flush();
  }
  await flush();
  if (progress.documents === 0) throw nothingUsable(options, stream.dropped);
  for (const writer of Object.values(writers)) writer.close();
  tokenizer.save(folder);
  const manifest: Manifest = {
    format: 'athanor-tokens',
    version: 1,
    vocab_size: tokenizer.vocabSize,
    eos_id: separator,
    width,
    tokenizer_fingerprint: tokenizer.fingerprint(),
    splits: { train: totals(writers.train), validation: totals(writers.validation) },
    sources: [...options.sources],
    dropped: stream.dropped,
  };
  writeDurably(join(folder, MANIFEST), `${JSON.stringify(manifest, null, 2)}\n`);
  syncFolder(folder);
  return {
    out: options.out,
    documents: progress.documents,
    tokens: progress.tokens,
    bytes: progress.bytes,
    validation_tokens: manifest.splits.validation.tokens,
    vocab_size: tokenizer.vocabSize,
    bytes_per_token: progress.bytes / Math.max(1, progress.tokens),
    dropped: stream.dropped,
  };
}

async function trainTokenizer(options: PrepareOptions): Promise<Tokenizer> {
  const progress = { phase: 'training the tokenizer' as const, documents: 0, bytes: 0, tokens: 0 };
  // What is dropped is told when the documents are encoded.
  const stream = new CorpusStream({ ...options, onDropped: () => {} });
  async function* texts() {
    for await (const { text } of stream.documents()) {
      progress.documents += 1;
      progress.bytes += Buffer.byteLength(text);
      options.onProgress?.(progress);
      yield text;
    }
    if (progress.documents === 0) throw nothingUsable(options, stream.dropped);
  }
  return Tokenizer.train(texts(), { vocabSize: options.vocabSize });
}

/** The corpus without what is dropped: duplicates (by hash) and short documents too. Counts by reason. */
class CorpusStream {
  readonly dropped: Record<string, number> = {};
  readonly #options: PrepareOptions;

  constructor(options: PrepareOptions) {
    this.#options = options;
  }

  async *documents(): AsyncGenerator<Document> {
    const seen = new Set<string>();
    for await (const item of readCorpus(this.#options.sources, this.#options)) {
      if ('dropped' in item) {
        this.#drop(item.dropped);
        continue;
      }
      const { document } = item;
      const digest = createHash('sha256').update(document.text).digest('base64').slice(0, 22);
      if (seen.has(digest)) this.#drop({ id: document.id, reason: 'duplicate' });
      else if (document.text.length < this.#options.minChars)
        this.#drop({ id: document.id, reason: 'too_short' });
      else {
        seen.add(digest);
        yield document;
      }
    }
  }

  #drop(dropped: Dropped): void {
    const { id, reason, detail } = dropped;
    const bad = reason !== 'duplicate' && reason !== 'too_short' && reason !== 'empty';
    if (bad && this.#options.onBadLine === 'fail') {
      throw new AthanorError(
        'ERR_FORMAT',
        `${id}: ${describe(reason)}${detail ? ` (${detail})` : ''}`,
        'correct it, or leave such lines out with --on-bad-line skip',
      );
    }
    this.dropped[reason] = (this.dropped[reason] ?? 0) + 1;
    this.#options.onDropped?.(dropped);
  }
}

function describe(reason: Dropped['reason']): string {
  return {
    not_utf8: 'not UTF-8 text',
    bad_json: 'not JSON',
    missing_field: 'the field is missing',
    binary: 'binary, not text',
    empty: 'empty',
    too_short: 'too short',
    duplicate: 'a duplicate',
  }[reason];
}

function nothingUsable(options: PrepareOptions, dropped: Record<string, number>): AthanorError {
  const why = Object.entries(dropped).map(([reason, count]) => `${count} ${reason.replaceAll('_', ' ')}`);
  const detail = why.length > 0 ? ` (dropped: ${why.join(', ')})` : '';
  return new AthanorError(
    'ERR_ARGUMENT',
    `no usable document in ${options.sources.join(', ')}${detail}`,
    'check --data',
  );
}

/** By a hash of the text: a document keeps its side whatever else is in the corpus and in whatever order. */
function splitOf(text: string, validation: number): Split {
  const hash = createHash('sha256').update('split').update(text).digest().readUInt32LE(0);
  return hash / 2 ** 32 < validation ? 'validation' : 'train';
}

function totals({ entries }: ShardWriter): Manifest['splits'][Split] {
  const sum = (key: 'tokens' | 'documents' | 'bytes') =>
    entries.reduce((total, entry) => total + entry[key], 0);
  return { tokens: sum('tokens'), documents: sum('documents'), bytes: sum('bytes'), shards: entries };
}

function writeDurably(path: string, text: string): void {
  const file = openSync(path, 'w');
  try {
    writeSync(file, text);
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
}

function syncFolder(folder: string): void {
  const handle = openSync(folder, 'r');
  try {
    fsyncSync(handle);
  } finally {
    closeSync(handle);
  }
}
