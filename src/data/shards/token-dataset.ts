/**
 * A folder of token shards. Each split appears as one long row of ids and one long
 * list of documents.
 */
import { createHash } from 'node:crypto';
import { closeSync, fstatSync, openSync, readSync } from 'node:fs';
import { join } from 'node:path';
import { AthanorError, fileError } from '../../base/errors.ts';
import { native } from '../../native/addon.ts';
import type { NativeShard } from '../../native/binding/shard.ts';
import { Tokenizer } from '../../text/tokenizer.ts';
import { type Manifest, readManifest, type Split, splits } from './manifest.ts';
import { END_BYTES, HEADER_BYTES, parseHeader, shardBytes, tableOffset } from './shard-format.ts';
import { hashFile, type ShardEntry } from './shard-writer.ts';

/** A document: ids [start, end) of its split, beginning with the end-of-text token before it. */
export interface DocumentSpan {
  start: number;
  end: number;
  /** Bytes of its text as UTF-8. */
  bytes: number;
}

interface OpenShard {
  reader: NativeShard;
  path: string;
  entry: ShardEntry;
  /** The index in the split of its first id. */
  start: number;
  /** The index in the split of its first document. */
  firstDocument: number;
}

/** Entries of the table of documents that are read at once. */
const TABLE_BLOCK = 4096;

/** Reads a folder that prepareData wrote. */
export class TokenDataset {
  /** The folder as it was given. */
  readonly folder: string;
  /** The contents of manifest.json. */
  readonly manifest: Manifest;
  readonly #shards: Record<Split, OpenShard[]>;
  #tokenizer: Tokenizer | undefined;

  private constructor(folder: string, manifest: Manifest, shards: Record<Split, OpenShard[]>) {
    this.folder = folder;
    this.manifest = manifest;
    this.#shards = shards;
  }

  /**
   * Opens a folder and checks sizes and headers; with `verify` also the contents against their
   * checksums. Throws ERR_FILE_MISSING or ERR_FILE_DAMAGED naming the file and its problem.
   */
  static open(folder: string, options: { verify?: boolean } = {}): TokenDataset {
    const manifest = readManifest(folder);
    const shards: Record<Split, OpenShard[]> = { train: [], validation: [] };
    try {
      for (const split of splits) {
        let [start, firstDocument] = [0, 0];
        for (const entry of manifest.splits[split].shards) {
          const path = join(folder, entry.file);
          const reader = openShard(path, entry, manifest, options.verify ?? false);
          shards[split].push({ reader, path, entry, start, firstDocument });
          start += entry.tokens;
          firstDocument += entry.documents;
        }
      }
    } catch (error) {
      for (const split of splits) for (const { reader } of shards[split]) reader.close();
      throw error;
    }
    return new TokenDataset(folder, manifest, shards);
  }

  /** Number of ids in a split. */
  tokens(split: Split): number {
    return this.manifest.splits[split].tokens;
  }

  /** Number of documents in a split. */
  documentCount(split: Split): number {
    return this.manifest.splits[split].documents;
  }

  /** A digest of a split. A run compares it so that it does not continue with other data. */
  fingerprint(split: Split): string {
    const hash = createHash('sha256');
    for (const { sha256 } of this.manifest.splits[split].shards) hash.update(sha256);
    return hash.digest('hex').slice(0, 16);
  }

  /**
   * The tokenizer that made the shards, loaded once. Throws ERR_MISMATCH when the folder holds
   * another one, and the errors of `Tokenizer.load`.
   */
  tokenizer(): Tokenizer {
    if (this.#tokenizer) return this.#tokenizer;
    const { tokenizer_fingerprint: wanted, vocab_size: vocabSize, eos_id: eosId } = this.manifest;
    const tokenizer = Tokenizer.load(this.folder);
    if (
      tokenizer.fingerprint() !== wanted ||
      tokenizer.vocabSize !== vocabSize ||
      tokenizer.eosId !== eosId
    ) {
      throw new AthanorError(
        'ERR_MISMATCH',
        `the tokenizer in ${this.folder} is not the one that its shards were made with`,
        'run athanor data prepare again',
      );
    }
    this.#tokenizer = tokenizer;
    return tokenizer;
  }

  /**
   * Ids [begin, begin + count) of a split, `[count]`. Throws ERR_ARGUMENT beyond its end, and
   * ERR_FILE_DAMAGED for an id outside of the vocabulary or a file that was shortened after
   * it was opened.
   */
  read(split: Split, begin: number, count: number): Int32Array {
    const total = this.tokens(split);
    if (!(Number.isSafeInteger(begin) && count >= 0 && begin >= 0 && begin + count <= total)) {
      throw new AthanorError(
        'ERR_ARGUMENT',
        `ids ${begin} to ${begin + count} are beyond the ${total} of the ${split} split of ${this.folder}`,
      );
    }
    const out = new Int32Array(count);
    for (const { reader, start, entry } of this.#shards[split]) {
      const from = Math.max(begin, start);
      const to = Math.min(begin + count, start + entry.tokens);
      if (from < to) reader.read(from - start, out.subarray(from - begin, to - begin));
    }
    return out;
  }

  /**
   * Documents [first, first + count) of a split, by default to its end. Throws ERR_FILE_DAMAGED for
   * a table that is not in order.
   */
  *documents(split: Split, first = 0, count = Number.POSITIVE_INFINITY): Generator<DocumentSpan> {
    for (const shard of this.#shards[split]) {
      const from = Math.max(0, first - shard.firstDocument);
      const to = Math.min(shard.entry.documents, first + count - shard.firstDocument);
      for (let at = from; at < to; at += TABLE_BLOCK)
        yield* this.#tableBlock(shard, at, Math.min(to, at + TABLE_BLOCK));
    }
  }

  /** Documents [from, to) of a shard. */
  *#tableBlock(shard: OpenShard, from: number, to: number): Generator<DocumentSpan> {
    const { entry, path, start } = shard;
    const header = { width: this.manifest.width, tokens: entry.tokens, documents: entry.documents };
    const before = Math.min(from, 1);
    const table = readTable(path, tableOffset(header) + (from - before) * END_BYTES, to - from + before);
    let [end, bytes] = before ? [Number(table[0]), Number(table[1])] : [0, 0];
    for (let i = from; i < to; ++i) {
      const at = 2 * (i - from + before);
      const next = { end: Number(table[at]), bytes: Number(table[at + 1]) };
      // The manifest also has the end of the last document.
      const late = i + 1 === entry.documents && (next.end !== entry.tokens || next.bytes !== entry.bytes);
      if (next.end <= end || next.end > entry.tokens || next.bytes < bytes || late)
        throw damaged(path, `its table of documents is not in order at document ${i}`);
      yield { start: start + end, end: start + next.end, bytes: next.bytes - bytes };
      [end, bytes] = [next.end, next.bytes];
    }
  }

  /** Unmaps the shards. Nothing can be read afterwards. */
  close(): void {
    for (const split of splits) for (const { reader } of this.#shards[split]) reader.close();
  }
}

function openShard(path: string, entry: ShardEntry, manifest: Manifest, verify: boolean): NativeShard {
  const { width, eos_id: eosId, vocab_size: vocabSize } = manifest;
  checkShard(path, entry, width, verify);
  const reader = new native.NativeShard(path, HEADER_BYTES, entry.tokens, width, vocabSize);
  try {
    const first = new Int32Array(1);
    reader.read(0, first);
    if (first[0] !== eosId)
      throw damaged(path, `it begins with id ${first[0]} and not with the end-of-text token ${eosId}`);
  } catch (error) {
    reader.close();
    throw error;
  }
  return reader;
}

function checkShard(path: string, entry: ShardEntry, width: number, verify: boolean): void {
  withFile(path, (file) => {
    const buffer = Buffer.alloc(HEADER_BYTES);
    const header = parseHeader(buffer.subarray(0, readSync(file, buffer, 0, HEADER_BYTES, 0)), path);
    if (header.width !== width) throw damaged(path, `its ids have ${header.width} bytes, not ${width}`);
    if (header.tokens !== entry.tokens || header.documents !== entry.documents) {
      throw damaged(
        path,
        `it holds ${header.tokens} tokens in ${header.documents} documents, and its manifest says ${entry.tokens} in ${entry.documents}`,
      );
    }
    const { size } = fstatSync(file);
    if (size !== shardBytes(header))
      throw damaged(path, `it is ${size} bytes and should be ${shardBytes(header)}`);
    if (verify && hashFile(file) !== entry.sha256)
      throw damaged(path, 'its contents differ from their checksum');
  });
}

/** Reads table entries of `documents` documents from a byte of the file on. */
function readTable(path: string, offset: number, documents: number): BigUint64Array {
  const table = new BigUint64Array(documents * 2);
  const bytes = new Uint8Array(table.buffer);
  withFile(path, (file) => {
    if (readSync(file, bytes, 0, bytes.length, offset) !== bytes.length)
      throw damaged(path, 'it was cut short while it was open');
  });
  return table;
}

function withFile(path: string, body: (file: number) => void): void {
  let file = -1;
  try {
    file = openSync(path, 'r');
    body(file);
  } catch (error) {
    throw fileError(error, path);
  } finally {
    if (file >= 0) closeSync(file);
  }
}

function damaged(path: string, what: string): AthanorError {
  return new AthanorError('ERR_FILE_DAMAGED', `${path}: ${what}`, 'run athanor data prepare again');
}
