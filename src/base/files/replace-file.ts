import { closeSync, fsyncSync, openSync, renameSync, rmSync, writeSync } from 'node:fs';
import { basename, dirname } from 'node:path';
import { fileError } from '../errors.ts';
import { removeStaleFiles, temporarySuffix } from './temporary-files.ts';

/**
 * Replaces a text file atomically: a reader finds either the old text or the new one, complete,
 * even after a crash. Returns the number of its bytes.
 * @param content the text, or its parts where it may exceed the longest string
 * @param options.mode who may read and write it. Default: everybody, within the umask.
 */
export function replaceFile(
  path: string,
  content: string | Iterable<string>,
  { mode = 0o666 }: { mode?: number } = {},
): number {
  const temporary = `${path}${temporarySuffix()}`;
  let written = 0;
  try {
    removeStaleFiles(dirname(path), basename(path));
    const file = openSync(temporary, 'w', mode);
    try {
      for (const part of typeof content === 'string' ? [content] : content) {
        const bytes = Buffer.from(part);
        for (let at = 0; at < bytes.length; ) at += writeSync(file, bytes, at);
        written += bytes.length;
      }
      fsyncSync(file);
    } finally {
      closeSync(file);
    }
    renameSync(temporary, path);
    return written;
  } catch (error) {
    rmSync(temporary, { force: true });
    throw fileError(error, path, 'write');
  }
}
