/** A folder of token shards, each split as one long row of ids. */
import { closeSync, fstatSync, openSync, readSync } from 'node:fs';
import { join } from 'node:path';
import { native } from '../native/addon.ts';
import type { NativeShard } from '../native/binding/shard.ts';
import { AthanorError, fileError } from '../native/errors.ts';
import { type Manifest, readManifest, type Split, splits } from './manifest.ts';
import { HEADER_BYTES, parseHeader, shardBytes, tableOffset } from './shard-format.ts';
import { hashFile, type ShardEntry } from './shard-writer.ts';

interface OpenShard {
  reader: NativeShard;
  /** First id and first document in the split. */
  start: number;
  tokens: number;
  path: string;
  entry: ShardEntry;
}

export class TokenDataset {
  readonly folder: string;
  readonly manifest: Manifest;
  readonly #shards: Record<Split, OpenShard[]>;

  private constructor(folder: string, manifest: Manifest, shards: Record<Split, OpenShard[]>) {
    this.folder = folder;
    this.manifest = manifest;
    this.#shards = shards;
  }

  /**
   * Opens and checks a folder. Sizes and headers always; contents against their checksums with `verify`.
   * Throws ERR_FILE_MISSING or ERR_FILE_DAMAGED naming the file and what is wrong with it.
   */
  static open(folder: string, options: { verify?: boolean } = {}): TokenDataset {
    const manifest = readManifest(folder);
    const shards = { train: [], validation: [] } as Record<Split, OpenShard[]>;
    for (const split of splits) {
      let start = 0;
      for (const entry of manifest.splits[split].shards) {
        const path = join(folder, entry.file);
        checkShard(path, entry, manifest, options.verify ?? false);
        const reader = new native.NativeShard(path, HEADER_BYTES, entry.tokens, manifest.width);
        shards[split].push({ reader, start, tokens: entry.tokens, path, entry });
        start += entry.tokens;
      }
    }
    return new TokenDataset(folder, manifest, shards);
  }

  tokens(split: Split): number {
    return this.manifest.splits[split].tokens;
  }

  /** Ids [begin, begin + count) of a split. Throws ERR_FILE_DAMAGED when an id exceeds the vocabulary. */
  read(split: Split, begin: number, count: number): Int32Array {
    const out = new Int32Array(count);
    for (const shard of this.#shards[split]) {
      const from = Math.max(begin, shard.start);
      const to = Math.min(begin + count, shard.start + shard.tokens);
      if (from < to) shard.reader.read(from - shard.start, out.subarray(from - begin, to - begin));
    }
    for (const [i, id] of out.entries())
      if (id < 0 || id >= this.manifest.vocab_size) this.#badId(split, begin + i, id);
    return out;
  }

  /** The documents of a split in order: where their ids end and how many bytes of text they hold. */
  *documents(split: Split): Generator<{ start: number; end: number; bytes: number }> {
    for (const shard of this.#shards[split]) {
      const header = { width: this.manifest.width, tokens: shard.tokens, documents: shard.entry.documents };
      const table = readTable(shard.path, tableOffset(header), header.documents);
      let [end, bytes] = [0, 0];
      for (let i = 0; i < header.documents; ++i) {
        const next = { end: Number(table[2 * i]!), bytes: Number(table[2 * i + 1]!) };
        if (next.end <= end || next.end > shard.tokens || next.bytes < bytes) {
          throw damaged(shard.path, `its table of documents is not in order at document ${i}`);
        }
        yield { start: shard.start + end, end: shard.start + next.end, bytes: next.bytes - bytes };
        [end, bytes] = [next.end, next.bytes];
      }
    }
  }

  close(): void {
    for (const split of splits) for (const shard of this.#shards[split]) shard.reader.close();
  }

  #badId(split: Split, at: number, id: number): never {
    const shard = this.#shards[split].find(({ start, tokens }) => at >= start && at < start + tokens)!;
    throw damaged(
      shard.path,
      `id ${id} at ${at - shard.start} is outside of the vocabulary of ${this.manifest.vocab_size}`,
    );
  }
}

function checkShard(path: string, entry: ShardEntry, manifest: Manifest, verify: boolean): void {
  withFile(path, (file) => {
    const buffer = Buffer.alloc(HEADER_BYTES);
    const header = parseHeader(buffer.subarray(0, readSync(file, buffer, 0, HEADER_BYTES, 0)), path);
    if (header.width !== manifest.width)
      throw damaged(path, `its ids have ${header.width} bytes, not ${manifest.width}`);
    if (header.tokens !== entry.tokens || header.documents !== entry.documents) {
      throw damaged(
        path,
        `it holds ${header.tokens} tokens in ${header.documents} documents, not as the manifest says`,
      );
    }
    const { size } = fstatSync(file);
    if (size !== shardBytes(header))
      throw damaged(path, `it is ${size} bytes and should be ${shardBytes(header)}`);
    if (verify && hashFile(file) !== entry.sha256)
      throw damaged(path, 'its contents differ from their checksum');
  });
}

function readTable(path: string, offset: number, documents: number): BigUint64Array {
  const table = new BigUint64Array(documents * 2);
  const bytes = new Uint8Array(table.buffer);
  withFile(path, (file) => {
    if (readSync(file, bytes, 0, bytes.length, offset) !== bytes.length)
      throw damaged(path, 'it is cut short');
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
