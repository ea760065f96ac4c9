/** A digest of the contents of a source of text, to recognise it under another path. */
import { createHash, type Hash } from 'node:crypto';
import { createReadStream, statSync } from 'node:fs';
import { relative } from 'node:path';
import { AthanorError, fileError } from '../../base/errors.ts';
import { isPackagedName } from '../packaged/packaged.ts';
import { filesOf } from './corpus.ts';

/**
 * SHA-256 in hexadecimal over the files of a source, with their names below it. A packaged corpus
 * is its name. Throws the errors of reading, and ERR_INTERRUPTED when the signal aborts.
 */
export async function sourceDigest(source: string, signal?: AbortSignal): Promise<string> {
  const hash = createHash('sha256');
  if (isPackagedName(source)) return hash.update(`packaged ${source}`).digest('hex');
  for (const file of filesOf(source)) await addFile(hash, file, relative(source, file), signal);
  return hash.digest('hex');
}

async function addFile(hash: Hash, file: string, name: string, signal?: AbortSignal): Promise<void> {
  try {
    hash.update(`${name}\0${statSync(file).size}\0`);
    for await (const bytes of createReadStream(file, { highWaterMark: 1 << 20, ...(signal && { signal }) })) {
      hash.update(bytes as Buffer);
    }
  } catch (error) {
    if (signal?.aborted) {
      throw new AthanorError('ERR_INTERRUPTED', `stopped while reading ${file}`, 'start the run again');
    }
    throw fileError(error, file);
  }
}
