/**
 * Writes and copies files with fsync and a SHA-256. The SHA-256 is computed while the disk writes.
 * A file that must appear complete or not at all is written under a temporary name (see
 * temporary-files.ts) and then renamed, and its folder is flushed.
 */
import { createHash } from 'node:crypto';
import { closeSync, fsyncSync, openSync, readSync } from 'node:fs';
import { type FileHandle, open, rm } from 'node:fs/promises';
import { basename } from 'node:path';
import { fileError } from '../errors.ts';

/** A file on disk with its size and digest. */
export interface WrittenFile {
  /** Name within its folder. */
  name: string;
  bytes: number;
  /** In hexadecimal. */
  sha256: string;
}

/**
 * Large enough to keep a disk busy, small enough that hashing one chunk overlaps with writing it.
 */
const chunkBytes = 8 << 20;

/**
 * A new file that is hashed while it is written. On any failure it is removed, and an
 * AthanorError names it.
 */
export class HashedFile {
  readonly #hash = createHash('sha256');
  #bytes = 0;

  private constructor(
    readonly path: string,
    readonly handle: FileHandle,
  ) {}

  /** Creates or replaces a file, runs `fill` on it, flushes it with fsync and closes it. */
  static async write(path: string, fill: (file: HashedFile) => Promise<void>): Promise<WrittenFile> {
    let regular = false;
    try {
      const file = new HashedFile(path, await open(path, 'w'));
      try {
        regular = (await file.handle.stat()).isFile();
        await fill(file);
        await file.handle.sync();
      } finally {
        await file.handle.close();
      }
      return { name: basename(path), bytes: file.#bytes, sha256: file.#hash.digest('hex') };
    } catch (error) {
      // Never remove a device or a pipe that was named by mistake.
      if (regular) await rm(path, { force: true });
      throw fileError(error, path, 'write');
    }
  }

  /** Appends bytes. The caller may overwrite `bytes` once the promise is fulfilled. */
  async append(bytes: Uint8Array): Promise<void> {
    for (let begin = 0; begin < bytes.length; begin += chunkBytes) {
      const chunk = bytes.subarray(begin, begin + chunkBytes);
      const written = this.#writeAll(chunk);
      this.#hash.update(chunk);
      await written;
    }
    this.#bytes += bytes.length;
  }

  async #writeAll(chunk: Uint8Array): Promise<void> {
    for (let at = 0; at < chunk.length; ) at += (await this.handle.write(chunk, at)).bytesWritten;
  }
}

/** Writes a text file as UTF-8, hashed and flushed. */
export function writeText(path: string, content: string): Promise<WrittenFile> {
  return HashedFile.write(path, (file) => file.append(Buffer.from(content)));
}

/** Copies a file. The copy is hashed and flushed. */
export async function copyDurably(from: string, to: string): Promise<WrittenFile> {
  const source = await open(from).catch((error: unknown) => {
    throw fileError(error, from);
  });
  try {
    const buffer = Buffer.allocUnsafe(chunkBytes);
    return await HashedFile.write(to, async (file) => {
      for (;;) {
        const { bytesRead } = await source.read(buffer, 0, buffer.length, null);
        if (bytesRead === 0) return;
        await file.append(buffer.subarray(0, bytesRead));
      }
    });
  } finally {
    await source.close();
  }
}

/** Size and SHA-256 of a file. Throws an AthanorError that names it. */
export function hashFile(path: string): WrittenFile {
  try {
    const file = openSync(path, 'r');
    try {
      const hash = createHash('sha256');
      const buffer = Buffer.allocUnsafe(chunkBytes);
      let bytes = 0;
      for (let read = 1; read > 0; bytes += read) {
        read = readSync(file, buffer);
        hash.update(buffer.subarray(0, read));
      }
      return { name: basename(path), bytes, sha256: hash.digest('hex') };
    } finally {
      closeSync(file);
    }
  } catch (error) {
    throw fileError(error, path);
  }
}

/**
 * Flushes a file, or the entries of a folder, to disk. Without this a power failure may
 * lose a rename.
 */
export function syncPath(path: string): void {
  const handle = openSync(path, 'r');
  try {
    fsyncSync(handle);
  } finally {
    closeSync(handle);
  }
}
