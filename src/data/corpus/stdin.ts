/**
 * Standard input as a source. A corpus is read several times, and some formats from their end, so
 * the input is first copied into a file.
 */
import { createWriteStream, mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { AthanorError, fileError } from '../../base/errors.ts';
import { isZstd } from '../formats/zstd.ts';
import { fileFormat } from './file-format.ts';

/** The name of standard input among sources. */
export const STDIN = '-';

/** A copy of the input. */
export interface SpooledInput {
  /** Its ending is that of its format. */
  path: string;
  remove(): void;
}

/**
 * Copies the input into a folder. Throws ERR_ARGUMENT for an empty input or an unknown format,
 * ERR_DISK_FULL and ERR_IO.
 * @param format the ending of such a file, `jsonl.gz` for example. Default: found from the first
 * bytes
 */
export async function spoolInput(input: Readable, folder: string, format?: string): Promise<SpooledInput> {
  if (format !== undefined && fileFormat(`stdin.${format}`) === undefined) {
    const what = `standard input cannot be read as "${format}"`;
    throw new AthanorError('ERR_ARGUMENT', what, 'name the ending of a file, such as jsonl or txt.gz');
  }
  mkdirSync(folder, { recursive: true });
  const chunks = input[Symbol.asyncIterator]() as AsyncIterator<Buffer>;
  const first = await chunks.next();
  if (first.done) throw new AthanorError('ERR_ARGUMENT', 'standard input is empty', 'pipe text into it');
  const head = Buffer.from(first.value);
  const path = join(folder, `.stdin-${process.pid}.${format ?? formatOfBytes(head)}`);
  const remove = () => rmSync(path, { force: true });
  const all = async function* () {
    yield head;
    for (let next = await chunks.next(); !next.done; next = await chunks.next()) yield next.value;
  };
  try {
    await pipeline(all, createWriteStream(path, { flags: 'wx' }));
  } catch (error) {
    remove();
    throw fileError(error, path, 'write');
  }
  return { path, remove };
}

/** The ending of a file that begins so. */
function formatOfBytes(head: Buffer): string {
  const text = head.toString('latin1', 0, 512);
  const packed = head[0] === 0x1f && head[1] === 0x8b ? 'gz' : isZstd(head) ? 'zst' : undefined;
  if (packed !== undefined) {
    const what = `standard input is packed as ${packed}, and what is in it cannot be seen`;
    throw new AthanorError('ERR_ARGUMENT', what, `name it with \`stdinFormat\`, such as jsonl.${packed}`);
  }
  if (text.startsWith('PAR1')) return 'parquet';
  if (text.startsWith('ARROW1') || text.startsWith('\xff\xff\xff\xff')) return 'arrow';
  if (text.startsWith('WARC/')) return 'warc';
  if (/^\s*\{/.test(text)) return 'jsonl';
  if (/^\s*<(!doctype html|html)/i.test(text)) return 'html';
  return 'txt';
}
