/**
 * Standard input as a source. A corpus is read several times, and some formats from their end, so
 * the input is first copied into a file.
 */
import { randomUUID } from 'node:crypto';
import { createWriteStream, rmSync } from 'node:fs';
import { join } from 'node:path';
import { addAbortSignal, type Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { constants, gunzipSync } from 'node:zlib';
import { AthanorError, fileError } from '../../base/errors.ts';
import { makeFolders } from '../../base/files/make-folders.ts';
import { isZstd } from '../formats/zstd.ts';
import { fileFormat } from './file-format.ts';

/** The name of standard input among sources. */
export const STDIN = '-';

/** A copy of the input. */
export interface SpooledInput {
  /** Its ending is that of its format. */
  path: string;
  /** That ending, such as `jsonl.gz`. */
  format: string;
  remove(): void;
}

/** Bytes from which a format is told. */
const HEAD_BYTES = 512;

/**
 * Copies the input into a folder. Throws ERR_ARGUMENT for an empty input or an unknown format,
 * ERR_INTERRUPTED when the signal aborts, ERR_DISK_FULL and ERR_IO.
 * @param format the ending of such a file, `jsonl.gz` for example. Default: found from the first
 * bytes
 */
export async function spoolInput(
  input: Readable,
  folder: string,
  format?: string,
  signal?: AbortSignal,
): Promise<SpooledInput> {
  const copy = await spoolIfAny(input, folder, format, signal);
  if (copy) return copy;
  throw new AthanorError('ERR_ARGUMENT', 'standard input is empty', 'pipe text into it');
}

/** As spoolInput; undefined for an empty input. */
export async function spoolIfAny(
  input: Readable,
  folder: string,
  format?: string,
  signal?: AbortSignal,
): Promise<SpooledInput | undefined> {
  if (format !== undefined && fileFormat(`stdin.${format}`) === undefined) {
    const what = `standard input cannot be read as "${format}"`;
    throw new AthanorError('ERR_ARGUMENT', what, 'name the ending of a file, such as jsonl or txt.gz');
  }
  makeFolders(folder);
  try {
    return await copied(signal ? addAbortSignal(signal, input) : input, folder, format);
  } catch (error) {
    if (!signal?.aborted) throw error;
    throw new AthanorError('ERR_INTERRUPTED', 'reading standard input was interrupted');
  }
}

async function copied(input: Readable, folder: string, format?: string): Promise<SpooledInput | undefined> {
  const chunks = input[Symbol.asyncIterator]() as AsyncIterator<Buffer>;
  const head = await headOf(chunks);
  if (head.length === 0) return undefined;
  const ending = format ?? formatOfBytes(head);
  const path = join(folder, `.stdin-${randomUUID()}.${ending}`);
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
  return { path, format: ending, remove };
}

/** A pipe may give a few bytes at a time. */
async function headOf(chunks: AsyncIterator<Buffer>): Promise<Buffer> {
  let head = Buffer.alloc(0);
  while (head.length < HEAD_BYTES) {
    const next = await chunks.next();
    if (next.done) break;
    head = Buffer.concat([head, next.value]);
  }
  return head;
}

/** The ending of a file that begins so. */
function formatOfBytes(head: Buffer): string {
  const packed = head[0] === 0x1f && head[1] === 0x8b ? 'gz' : isZstd(head) ? 'zst' : undefined;
  if (packed === undefined) return plainFormat(head);
  const inside = packed === 'gz' ? plainFormat(beginningOf(head)) : 'txt';
  // Anything may look like text.
  if (MARKED.includes(inside)) return `${inside}.gz`;
  const what = `standard input is packed as ${packed}, and what is in it cannot be seen`;
  throw new AthanorError('ERR_ARGUMENT', what, `name it with \`stdinFormat\`, such as jsonl.${packed}`);
}

/** Formats that show in the first bytes of a gzip file. */
const MARKED: readonly string[] = ['jsonl', 'html', 'warc'];

/** What the first bytes of a gzip file hold, as far as it shows. */
function beginningOf(head: Buffer): Buffer {
  try {
    return gunzipSync(head, { finishFlush: constants.Z_SYNC_FLUSH });
  } catch {
    return Buffer.alloc(0);
  }
}

function plainFormat(head: Buffer): string {
  const text = head.toString('latin1', 0, HEAD_BYTES);
  if (text.startsWith('PAR1')) return 'parquet';
  if (text.startsWith('ARROW1') || text.startsWith('\xff\xff\xff\xff')) return 'arrow';
  if (text.startsWith('WARC/')) return 'warc';
  if (/^\s*\{/.test(text)) return 'jsonl';
  if (/^\s*<(!doctype html|html)/i.test(text)) return 'html';
  return 'txt';
}
