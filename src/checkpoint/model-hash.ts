/** The identity of a model folder: equal for folders that give equal answers. */
import { createHash } from 'node:crypto';
import { closeSync, existsSync, openSync, readdirSync, readSync } from 'node:fs';
import { join } from 'node:path';
import { fileError } from '../base/errors.ts';

const CHUNK_BYTES = 4 * 2 ** 20;

/** SHA-256 of weights, config.json and tokenizer.json, in hexadecimal. Throws as fileError. */
export function modelHash(folder: string): string {
  const weights = readdirSync(folder).filter((name) => name.endsWith('.safetensors'));
  const hash = createHash('sha256');
  const buffer = Buffer.alloc(CHUNK_BYTES);
  for (const name of ['config.json', 'tokenizer.json', ...weights.sort()]) {
    const path = join(folder, name);
    if (!existsSync(path)) continue;
    hash.update(`${name}\0`);
    try {
      const file = openSync(path, 'r');
      try {
        for (let read = readSync(file, buffer); read > 0; read = readSync(file, buffer)) {
          hash.update(buffer.subarray(0, read));
        }
      } finally {
        closeSync(file);
      }
    } catch (error) {
      throw fileError(error, path);
    }
  }
  return hash.digest('hex');
}
