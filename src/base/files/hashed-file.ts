/**
 * Files that survive a crash. A file is written under a temporary name that ends in the writer's process id, fsynced and
 * renamed; a folder is fsynced after its entries changed. The SHA-256 is taken while the disk writes, not after.
 */
import { createHash } from 'node:crypto';
import { closeSync, fsyncSync, openSync, readSync } from 'node:fs';
import { type FileHandle, open, rm } from 'node:fs/promises';
import { basename } from 'node:path';
import { fileError } from '../errors.ts';

export interface WrittenFile {
  /** Name within its folder. */
  name: string;
  bytes: number;
  /** Hexadecimal. */
  sha256: string;
}

/** Large enough to keep a disk busy, small enough that hashing one chunk overlaps with writing it. */
const chunkBytes = 8 << 20;

/** A new file that is hashed as it is written. Every failure removes it and throws an AthanorError that names it. */
export class HashedFile {
  readonly #hash = createHash('sha256');
  #bytes = 0;

  private constructor(
    readonly path: string,
    readonly handle: FileHandle,
  ) {}

  /** Runs `fill` on a new file (an old one of that name is replaced), fsyncs and closes it. */
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
      // Never a device or pipe that was named by mistake.
      if (regular) await rm(path, { force: true });
      throw fileError(error, path, 'write');
    }
  }

  /** Appends; `bytes` may be overwritten once the promise is fulfilled. */
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

export function writeText(path: string, content: string): Promise<WrittenFile> {
  return HashedFile.write(path, (file) => file.append(Buffer.from(content)));
}

/** Copies a file, hashed and fsynced. */
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

/** Makes a file, or the entries of a folder, durable: without it a rename may be lost with the power. */
export function syncPath(path: string): void {
  const handle = openSync(path, 'r');
  try {
    fsyncSync(handle);
  } finally {
    closeSync(handle);
  }
}
