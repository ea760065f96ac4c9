/**
 * Reads files as blocks of whole lines in bytes. So a bad line does not affect the
 * decoding of others.
 */
import { fileKind } from '../../base/files/file-kind.ts';
import { type ByteRange, fileBytes } from '../formats/byte-stream.ts';

/** A part of a file that is not compressed. */
export interface FileRange extends ByteRange {
  /** The number of the line that it begins in, counted from 1. */
  line: number;
  /** Whether it begins where a line does. */
  atLineStart: boolean;
}

export interface LineBlock {
  bytes: Buffer;
  /** The byte of the file, unpacked if it is compressed, that it begins at. */
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
 * The contents of a file, unpacked if it is a .gz or .zst, without the byte-order mark, in constant
 * memory. Throws as fileBytes does.
 */
export async function* lineBlocks(
  path: string,
  maxLineBytes: number,
  range?: FileRange,
): AsyncGenerator<LineBlock> {
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
  for await (const chunk of fileBytes(path, range)) {
    const end = chunk.lastIndexOf(10) + 1;
    if (end > 0) yield take(chunk.subarray(0, end), true);
    if (end === chunk.length) continue;
    pieces.push(chunk.subarray(end));
    held += chunk.length - end;
    if (held >= maxLineBytes) yield take(Buffer.alloc(0), false);
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

/** The number of newlines in some bytes. */
export function countLines(bytes: Buffer): number {
  let count = 0;
  for (let at = bytes.indexOf(10); at >= 0; at = bytes.indexOf(10, at + 1)) count += 1;
  return count;
}
