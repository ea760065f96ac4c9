import { closeSync, fsyncSync, openSync, renameSync, rmSync, writeSync } from 'node:fs';
import { basename, dirname } from 'node:path';
import { fileError } from '../errors.ts';
import { removeStaleFiles, temporarySuffix } from './temporary-files.ts';

/**
 * Replaces a text file atomically: a reader finds either the old text or the new one, complete,
 * even after a crash.
 */
export function replaceFile(path: string, content: string): void {
  const temporary = `${path}${temporarySuffix()}`;
  try {
    removeStaleFiles(dirname(path), basename(path));
    const file = openSync(temporary, 'w');
    try {
      const bytes = Buffer.from(content);
      for (let at = 0; at < bytes.length; ) at += writeSync(file, bytes, at);
      fsyncSync(file);
    } finally {
      closeSync(file);
    }
    renameSync(temporary, path);
  } catch (error) {
    rmSync(temporary, { force: true });
    throw fileError(error, path, 'write');
  }
}
