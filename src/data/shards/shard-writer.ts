/** Writes documents of ids into shards of bounded size. */
import { createHash } from 'node:crypto';
import { closeSync, fsyncSync, openSync, readSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { fileError } from '../../base/errors.ts';
import { HEADER_BYTES, type ShardHeader, tableOffset, writeHeader } from './shard-format.ts';

/** A shard as the manifest lists it. `bytes` are those of text as UTF-8. */
export interface ShardEntry {
  file: string;
  /** The index in `sources` of the source that all its documents are of. */
  source: number;
  tokens: number;
  documents: number;
  bytes: number;
  sha256: string;
}

export interface ShardWriterOptions {
  folder: string;
  split: string;
  /** Bytes per id. */
  width: 2 | 4;
  /** The id written before each document. */
  separator: number;
  /** Ids after which a shard is complete. A document is never divided. */
  shardTokens: number;
}

/** Documents are written so many bytes at a time. */
const BUFFER_BYTES = 1 << 20;

export class ShardWriter {
  readonly entries: ShardEntry[] = [];
  readonly #options: ShardWriterOptions;
  readonly #buffer = new Uint8Array(BUFFER_BYTES);
  #held = 0;
  #file = -1;
  #path = '';
  #name = '';
  #tokens = 0;
  #bytes = 0;
  #documents = 0;
  #source = 0;
  /** Two entries per document: its end in ids and in bytes of text. */
  #ends = new BigUint64Array(1 << 10);

  constructor(options: ShardWriterOptions) {
    this.#options = options;
  }

  /**
   * Appends a document. One of another source than the last one begins a new shard.
   * @param bytes number of bytes of its text as UTF-8
   * @param source the index of its source
   */
  add(ids: Int32Array | Uint16Array | Uint32Array, bytes: number, source = 0): void {
    const { width, separator, shardTokens } = this.#options;
    if (this.#file >= 0 && source !== this.#source) this.#finish();
    this.#source = source;
    if (this.#file < 0) this.#open();
    const all = width === 2 ? new Uint16Array(ids.length + 1) : new Uint32Array(ids.length + 1);
    all[0] = separator;
    all.set(ids, 1);
    this.#write(all);
    this.#tokens += all.length;
    this.#bytes += bytes;
    this.#addEnd();
    if (this.#tokens >= shardTokens) this.#finish();
  }

  /** Completes the last shard. When this returns, every file is on disk. */
  close(): void {
    if (this.#file >= 0) this.#finish();
  }

  /** Closes a shard without completing it. */
  abandon(): void {
    if (this.#file >= 0) closeSync(this.#file);
    this.#file = -1;
  }

  #open(): void {
    this.#name = `${this.#options.split}-${String(this.entries.length).padStart(5, '0')}.bin`;
    this.#path = join(this.#options.folder, this.#name);
    this.#file = this.#guard(() => openSync(this.#path, 'w+'));
    this.#write(new Uint8Array(HEADER_BYTES));
    this.#tokens = 0;
    this.#bytes = 0;
    this.#documents = 0;
  }

  #addEnd(): void {
    if (this.#documents * 2 === this.#ends.length) {
      const longer = new BigUint64Array(this.#ends.length * 2);
      longer.set(this.#ends);
      this.#ends = longer;
    }
    this.#ends[this.#documents * 2] = BigInt(this.#tokens);
    this.#ends[this.#documents * 2 + 1] = BigInt(this.#bytes);
    this.#documents += 1;
  }

  #write(data: Uint8Array | Uint16Array | Uint32Array | BigUint64Array): void {
    const bytes = new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
    if (this.#held + bytes.length > BUFFER_BYTES) this.#flush();
    if (bytes.length > BUFFER_BYTES) {
      this.#out(bytes);
      return;
    }
    this.#buffer.set(bytes, this.#held);
    this.#held += bytes.length;
  }

  #flush(): void {
    this.#out(this.#buffer.subarray(0, this.#held));
    this.#held = 0;
  }

  #out(bytes: Uint8Array): void {
    this.#guard(() => {
      for (let done = 0; done < bytes.length; ) done += writeSync(this.#file, bytes, done);
    });
  }

  #finish(): void {
    const header: ShardHeader = {
      width: this.#options.width,
      tokens: this.#tokens,
      documents: this.#documents,
    };
    this.#write(new Uint8Array(tableOffset(header) - HEADER_BYTES - header.tokens * header.width));
    this.#write(this.#ends.subarray(0, this.#documents * 2));
    this.#flush();
    const sha256 = this.#guard(() => {
      writeSync(this.#file, writeHeader(header), 0, HEADER_BYTES, 0);
      fsyncSync(this.#file);
      const digest = hashFile(this.#file);
      closeSync(this.#file);
      return digest;
    });
    this.#file = -1;
    const { tokens, documents } = header;
    const [source, bytes] = [this.#source, this.#bytes];
    this.entries.push({ file: this.#name, source, tokens, documents, bytes, sha256 });
  }

  #guard<T>(action: () => T): T {
    try {
      return action();
    } catch (error) {
      throw fileError(error, this.#path, 'write');
    }
  }
}

/** SHA-256 of an open file, in hexadecimal. */
export function hashFile(file: number): string {
  const hash = createHash('sha256');
  const buffer = Buffer.allocUnsafe(1 << 20);
  for (let at = 0; ; ) {
    const count = readSync(file, buffer, 0, buffer.length, at);
    if (count === 0) return hash.digest('hex');
    hash.update(buffer.subarray(0, count));
    at += count;
  }
}
