/**
 * The digests of a corpus in a file, for a later corpus to be compared with: 16 bytes that name the
 * format, then 16 bytes per digest.
 */
import { closeSync, fsyncSync, openSync, readSync, writeSync } from 'node:fs';
import { AthanorError, fileError } from '../../base/errors.ts';
import { DIGEST_BYTES, type DigestSet } from './digest-set.ts';

const HEADER = Buffer.from('ATHDIGEST 1     ');
const CHUNK_BYTES = 1 << 20;

/** Throws ERR_DISK_FULL or ERR_IO. */
export function writeDigests(path: string, digests: DigestSet): void {
  let file = -1;
  try {
    file = openSync(path, 'w');
    let chunk: Buffer[] = [HEADER];
    const flush = () => {
      const bytes = Buffer.concat(chunk);
      for (let done = 0; done < bytes.length; ) done += writeSync(file, bytes, done);
      chunk = [];
    };
    for (const digest of digests.digests()) {
      chunk.push(digest);
      if (chunk.length * DIGEST_BYTES >= CHUNK_BYTES) flush();
    }
    flush();
    fsyncSync(file);
  } catch (error) {
    throw fileError(error, path, 'write');
  } finally {
    if (file >= 0) closeSync(file);
  }
}

/** Adds the digests of a file to a set. Throws ERR_FILE_MISSING, ERR_IO or ERR_FILE_DAMAGED. */
export function readDigests(path: string, into: DigestSet): void {
  let file = -1;
  try {
    file = openSync(path, 'r');
    const chunk = Buffer.alloc(CHUNK_BYTES);
    for (let at = 0; ; ) {
      const bytes = readSync(file, chunk, 0, CHUNK_BYTES, at);
      if (at === 0 && !chunk.subarray(0, Math.min(bytes, DIGEST_BYTES)).equals(HEADER)) {
        throw damaged(path, 'it is not a file of digests');
      }
      if (bytes % DIGEST_BYTES !== 0) throw damaged(path, 'it ends inside of a digest');
      for (let start = at === 0 ? DIGEST_BYTES : 0; start < bytes; start += DIGEST_BYTES) {
        into.add(chunk.subarray(start, start + DIGEST_BYTES));
      }
      if (bytes < CHUNK_BYTES) return;
      at += bytes;
    }
  } catch (error) {
    throw fileError(error, path);
  } finally {
    if (file >= 0) closeSync(file);
  }
}

function damaged(path: string, what: string): AthanorError {
  return new AthanorError('ERR_FILE_DAMAGED', `${path}: ${what}`, 'prepare that corpus again');
}
