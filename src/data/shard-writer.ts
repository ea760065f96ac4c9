/** Writes documents of ids into shards of bounded size, hashing as it goes. */
import { createHash } from 'node:crypto';
import { closeSync, fsyncSync, openSync, readSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { fileError } from '../native/errors.ts';
import { HEADER_BYTES, type ShardHeader, tableOffset, writeHeader } from './shard-format.ts';

export interface ShardEntry {
  file: string;
  tokens: number;
  documents: number;
  bytes: number;
  sha256: string;
}

/** Ids a shard holds before the next one begins: 100M, a file of 200 MB. */
const SHARD_TOKENS = 100_000_000;

export class ShardWriter {
  readonly entries: ShardEntry[] = [];
  readonly #folder: string;
  readonly #split: string;
  readonly #width: 2 | 4;
  readonly #separator: number;
  #file = -1;
  #path = '';
  #name = '';
  #tokens = 0;
  #bytes = 0;
  #ends: bigint[] = [];

  /** @param separator the id written before each document */
  constructor(folder: string, split: string, width: 2 | 4, separator: number) {
    this.#folder = folder;
    this.#split = split;
    this.#width = width;
    this.#separator = separator;
  }

  /** @param bytes of UTF-8 text that the ids stand for */
  add(ids: Int32Array, bytes: number): void {
    if (this.#file < 0) this.#open();
    const all = this.#width === 2 ? new Uint16Array(ids.length + 1) : new Uint32Array(ids.length + 1);
    all[0] = this.#separator;
    all.set(ids, 1);
    this.#write(all);
    this.#tokens += all.length;
    this.#bytes += bytes;
    this.#ends.push(BigInt(this.#tokens), BigInt(this.#bytes));
    if (this.#tokens >= SHARD_TOKENS) this.#finish();
  }

  /** Completes the last shard; every file is on disk when this returns. */
  close(): void {
    if (this.#file >= 0) this.#finish();
  }

  #open(): void {
    this.#name = `${this.#split}-${String(this.entries.length).padStart(5, '0')}.bin`;
    this.#path = join(this.#folder, this.#name);
    this.#guard(() => {
      this.#file = openSync(this.#path, 'w+');
      writeSync(this.#file, Buffer.alloc(HEADER_BYTES));
    });
    this.#tokens = 0;
    this.#bytes = 0;
    this.#ends = [];
  }

  #write(data: Uint8Array | Uint16Array | Uint32Array | BigUint64Array): void {
    const bytes = new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
    this.#guard(() => {
      for (let done = 0; done < bytes.length; ) done += writeSync(this.#file, bytes, done);
    });
  }

  #finish(): void {
    const header: ShardHeader = {
      width: this.#width,
      tokens: this.#tokens,
      documents: this.#ends.length / 2,
    };
    this.#write(new Uint8Array(tableOffset(header) - HEADER_BYTES - this.#tokens * this.#width));
    this.#write(BigUint64Array.from(this.#ends));
    const sha256 = this.#guard(() => {
      writeSync(this.#file, writeHeader(header), 0, HEADER_BYTES, 0);
      fsyncSync(this.#file);
      const digest = hashFile(this.#file);
      closeSync(this.#file);
      return digest;
    });
    this.#file = -1;
    const { tokens, documents } = header;
    this.entries.push({ file: this.#name, tokens, documents, bytes: this.#bytes, sha256 });
  }

  #guard<T>(action: () => T): T {
    try {
      return action();
    } catch (error) {
      throw fileError(error, this.#path, 'write');
    }
  }
}

/** sha256 of an open file from its start, hex. */
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
