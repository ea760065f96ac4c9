/**
 * Reads files as blocks of whole lines in bytes. So a bad line does not affect the
 * decoding of others.
 */
import { closeSync, createReadStream, openSync, readSync } from 'node:fs';
import { createGunzip } from 'node:zlib';
import { AthanorError, fileError } from '../../base/errors.ts';
import { fileKind } from '../../base/files/file-kind.ts';

/** A part of a file that is not compressed: bytes [start, end). */
export interface FileRange {
  start: number;
  end: number;
  /** The number of the line that it begins in, counted from 1. */
  line: number;
  /** Whether it begins where a line does. */
  atLineStart: boolean;
}

export interface LineBlock {
  bytes: Buffer;
  /** The byte of the file, or of the file in a .gz, that it begins at. */
  start: number;
  /**
   * False for a piece of a line that is longer than the limit. The line continues in
   * the next block.
   */
  whole: boolean;
}

const CHUNK_BYTES = 1 << 20;
const BYTE_ORDER_MARK = Buffer.from('\ufeff');

/**
 * The contents of a file, or of the file in a .gz, without the byte-order mark, in constant memory.
 * Throws ERR_FILE_MISSING, ERR_IO, or ERR_FILE_DAMAGED for a .gz that is incomplete.
 */
export async function* lineBlocks(
  path: string,
  maxLineBytes: number,
  range?: FileRange,
): AsyncGenerator<LineBlock> {
  // createReadStream counts the last byte in.
  const part = range && { start: range.start, end: range.end - 1 };
  const raw = createReadStream(path, { highWaterMark: CHUNK_BYTES, ...part });
  const zipped = /\.gz$/i.test(path);
  const stream = zipped ? raw.pipe(createGunzip({ chunkSize: CHUNK_BYTES })) : raw;
  raw.on('error', (error) => stream.destroy(error));
  let pieces: Buffer[] = [];
  let held = 0;
  let at = range?.start ?? 0;
  let begun = range !== undefined && range.start > 0;
  const take = (last: Buffer, whole: boolean): LineBlock => {
    let bytes = pieces.length === 0 ? last : Buffer.concat([...pieces, last]);
    const next = at + bytes.length;
    if (!begun && bytes.subarray(0, 3).equals(BYTE_ORDER_MARK)) bytes = bytes.subarray(3);
    const start = next - bytes.length;
    at = next;
    begun = true;
    pieces = [];
    held = 0;
    return { bytes, start, whole };
  };
  try {
    for await (const chunk of stream as AsyncIterable<Buffer>) {
      const end = chunk.lastIndexOf(10) + 1;
      if (end > 0) yield take(chunk.subarray(0, end), true);
      if (end === chunk.length) continue;
      pieces.push(chunk.subarray(end));
      held += chunk.length - end;
      if (held >= maxLineBytes) yield take(Buffer.alloc(0), false);
    }
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code?.startsWith('Z_')) {
      throw notGzip(path, error);
    }
    throw fileError(error, path);
  } finally {
    raw.destroy();
  }
  if (held > 0) yield take(Buffer.alloc(0), true);
}

/**
 * Ranges of whole lines with at least so many bytes, and the rest of the file; undefined for a file
 * of a format that is no text. Throws as lineBlocks does.
 */
export async function lineRanges(path: string, leastBytes: number): Promise<FileRange[] | undefined> {
  const ranges: FileRange[] = [];
  let [start, line, lines, size] = [0, 1, 1, 0];
  for await (const { bytes, start: offset } of lineBlocks(path, CHUNK_BYTES)) {
    if (size === 0 && fileKind(bytes)) return undefined;
    size = offset + bytes.length;
    let counted = 0;
    while (size - start >= leastBytes) {
      const end = bytes.indexOf(10, Math.max(0, start + leastBytes - 1 - offset)) + 1;
      if (end === 0) break;
      lines += countLines(bytes.subarray(counted, end));
      counted = end;
      ranges.push({ start, end: offset + end, line, atLineStart: true });
      [start, line] = [offset + end, lines];
    }
    lines += countLines(bytes.subarray(counted));
  }
  if (size > start || ranges.length === 0) ranges.push({ start, end: size, line, atLineStart: true });
  return ranges;
}

/** A file whose name ends in .gz is cut short or damaged, or it is no gzip file at all. */
function notGzip(path: string, cause: unknown): AthanorError {
  const head = Buffer.alloc(512);
  const file = openSync(path, 'r');
  try {
    readSync(file, head);
  } finally {
    closeSync(file);
  }
  const kind = fileKind(head);
  const isGzip = head[0] === 0x1f && head[1] === 0x8b;
  if (isGzip || kind === undefined) {
    return new AthanorError('ERR_FILE_DAMAGED', `${path} is not a whole gzip file`, 'copy it again', {
      cause,
    });
  }
  const what = `${path} is ${kind.name}, although its name ends in .gz`;
  return new AthanorError('ERR_FORMAT', what, kind.remedy, { cause });
}

/** The number of newlines in some bytes. */
export function countLines(bytes: Buffer): number {
  let count = 0;
  for (let at = bytes.indexOf(10); at >= 0; at = bytes.indexOf(10, at + 1)) count += 1;
  return count;
}

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** The text of bytes, or undefined when they are not UTF-8. */
export function decodeUtf8(bytes: Uint8Array): string | undefined {
  try {
    return utf8.decode(bytes);
  } catch {
    return undefined;
  }
}
