/**
 * Reads a .tgz in memory. npm packages contain plain ustar files only, so a name, a size and the
 * contents describe each entry.
 */
import { gunzipSync } from 'node:zlib';
import { AthanorError } from '../../base/errors.ts';
import { largest } from '../../base/files/read-file.ts';

const BLOCK = 512;

export interface TarEntry {
  name: string;
  data: Buffer;
}

/** The regular files of a gzipped tar archive. Throws ERR_FILE_DAMAGED naming `path`. */
export function* readTgz(archive: Buffer, path: string): Generator<TarEntry> {
  let tar: Buffer;
  try {
    tar = gunzipSync(archive, { maxOutputLength: largest.archive });
  } catch (cause) {
    const huge = (cause as NodeJS.ErrnoException).code === 'ERR_BUFFER_TOO_LARGE';
    throw damaged(path, huge ? 'it holds more than any package' : 'it is not a gzip file', cause);
  }
  for (let at = 0; at + BLOCK <= tar.length; ) {
    const header = tar.subarray(at, at + BLOCK);
    if (header.every((byte) => byte === 0)) return;
    const digits = field(header, 124, 12);
    const size = /^[0-7]+$/.test(digits) ? Number.parseInt(digits, 8) : Number.NaN;
    const end = at + BLOCK + size;
    if (!(end <= tar.length)) throw damaged(path, `entry at byte ${at} is cut short`);
    const type = field(header, 156, 1);
    const prefix = field(header, 345, 155);
    const name = field(header, 0, 100);
    if (type === '0' || type === '')
      yield { name: prefix ? `${prefix}/${name}` : name, data: tar.subarray(at + BLOCK, end) };
    at = end + ((BLOCK - (size % BLOCK)) % BLOCK);
  }
}

function field(header: Buffer, offset: number, length: number): string {
  const raw = header.subarray(offset, offset + length);
  const end = raw.indexOf(0);
  return raw.toString('utf8', 0, end < 0 ? length : end).trim();
}

function damaged(path: string, what: string, cause?: unknown): AthanorError {
  return new AthanorError(
    'ERR_FILE_DAMAGED',
    `${path}: ${what}`,
    'delete it and run again to fetch it anew',
    { cause },
  );
}
