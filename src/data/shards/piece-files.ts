/**
 * Files of intermediate results: written from front to back with a digest, and read as bytes or
 * lines. A record in another file says that they are complete.
 */
import { createHash } from 'node:crypto';
import { closeSync, openSync, readdirSync, readSync, writeSync } from 'node:fs';
import { join, relative } from 'node:path';
import { fileError } from '../../base/errors.ts';

/** What a complete file is. */
export type PieceRecord = { bytes: number; sha256: string };

const BUFFER_BYTES = 1 << 20;

export class PieceWriter {
  readonly path: string;
  readonly #hash = createHash('sha256');
  readonly #buffer = Buffer.allocUnsafe(BUFFER_BYTES);
  #held = 0;
  #bytes = 0;
  #file: number;

  /** Creates or replaces a file. Throws ERR_DISK_FULL and ERR_IO, as all methods do. */
  constructor(path: string) {
    this.path = path;
    this.#file = this.#guard(() => openSync(path, 'w'));
  }

  write(data: string | Uint8Array): void {
    const bytes = typeof data === 'string' ? Buffer.from(data) : data;
    if (this.#held + bytes.length > BUFFER_BYTES) this.#flush();
    if (bytes.length > BUFFER_BYTES) {
      this.#out(bytes);
      return;
    }
    this.#buffer.set(bytes, this.#held);
    this.#held += bytes.length;
  }

  /** Completes the file. */
  finish(): PieceRecord {
    this.#flush();
    this.abandon();
    return { bytes: this.#bytes, sha256: this.#hash.digest('hex') };
  }

  /** Closes the file without completing it. */
  abandon(): void {
    if (this.#file >= 0) closeSync(this.#file);
    this.#file = -1;
  }

  #flush(): void {
    this.#out(this.#buffer.subarray(0, this.#held));
    this.#held = 0;
  }

  #out(bytes: Uint8Array): void {
    this.#hash.update(bytes);
    this.#bytes += bytes.length;
    this.#guard(() => {
      for (let done = 0; done < bytes.length; ) done += writeSync(this.#file, bytes, done);
    });
  }

  #guard<T>(action: () => T): T {
    try {
      return action();
    } catch (error) {
      throw fileError(error, this.path, 'write');
    }
  }
}

/** Reads a file from front to back. */
export class PieceReader implements Disposable {
  readonly path: string;
  readonly #file: number;
  #chunk: Buffer = Buffer.alloc(0);
  #at = 0;

  /** Throws ERR_FILE_MISSING and ERR_IO. */
  constructor(path: string) {
    this.path = path;
    try {
      this.#file = openSync(path, 'r');
    } catch (error) {
      throw fileError(error, path);
    }
  }

  /** The next bytes, fewer at the end. They are valid until the next call. */
  take(count: number): Buffer {
    while (this.#chunk.length - this.#at < count && this.#more(count));
    const bytes = this.#chunk.subarray(this.#at, this.#at + count);
    this.#at += bytes.length;
    return bytes;
  }

  /** The next line without its end; undefined at the end. */
  line(): string | undefined {
    for (let from = this.#at; ; ) {
      const end = this.#chunk.indexOf(10, from);
      if (end >= 0) {
        const text = this.#chunk.toString('utf8', this.#at, end);
        this.#at = end + 1;
        return text;
      }
      const held = this.#chunk.length - this.#at;
      if (!this.#more(held + 1)) return undefined;
      from = held;
    }
  }

  [Symbol.dispose](): void {
    closeSync(this.#file);
  }

  /** Makes room for `count` bytes from the current place on. False at the end of the file. */
  #more(count: number): boolean {
    const held = this.#chunk.subarray(this.#at);
    const next = Buffer.allocUnsafe(Math.max(count, held.length) + BUFFER_BYTES);
    next.set(held);
    const read = readSync(this.#file, next, held.length, next.length - held.length, null);
    this.#chunk = next.subarray(0, held.length + read);
    this.#at = 0;
    return read > 0;
  }
}

/** The record of a file. Throws ERR_FILE_MISSING and ERR_IO. */
export function recordOf(path: string): PieceRecord {
  const hash = createHash('sha256');
  const buffer = Buffer.allocUnsafe(BUFFER_BYTES);
  let bytes = 0;
  let file = -1;
  try {
    file = openSync(path, 'r');
    for (let count = -1; count !== 0; bytes += count) {
      count = readSync(file, buffer, 0, BUFFER_BYTES, null);
      hash.update(buffer.subarray(0, count));
    }
  } catch (error) {
    throw fileError(error, path);
  } finally {
    if (file >= 0) closeSync(file);
  }
  return { bytes, sha256: hash.digest('hex') };
}

/** Whether a file is there and is what its record says. */
export function isIntact(path: string, wanted: PieceRecord): boolean {
  try {
    const { bytes, sha256 } = recordOf(path);
    return bytes === wanted.bytes && sha256 === wanted.sha256;
  } catch {
    return false;
  }
}

/** The records of all files of a folder, by path. Throws as recordOf. */
export function recordsBelow(folder: string): Record<string, PieceRecord> {
  const names = readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => relative(folder, join(entry.parentPath, entry.name)));
  return Object.fromEntries(names.sort().map((name) => [name, recordOf(join(folder, name))]));
}

/** Whether files of a folder are what their records say. */
export function areIntact(folder: string, records: Record<string, PieceRecord>): boolean {
  return Object.entries(records).every(([name, record]) => isIntact(join(folder, name), record));
}
