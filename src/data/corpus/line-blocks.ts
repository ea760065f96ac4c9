/**
 * Reads files as blocks of whole lines in bytes. So a bad line does not affect the
 * decoding of others.
 */
import { fileBytes } from '../formats/byte-stream.ts';

export interface LineBlock {
  bytes: Buffer;
  /**
   * False for a piece of a line that is longer than the limit. The line continues in
   * the next block.
   */
  whole: boolean;
}

const BYTE_ORDER_MARK = Buffer.from('\ufeff');

/**
 * The contents of a file, unpacked if it is a .gz or .zst, without the byte-order mark, in constant
 * memory. Throws as fileBytes does.
 */
export async function* lineBlocks(path: string, maxLineBytes: number): AsyncGenerator<LineBlock> {
  let pieces: Buffer[] = [];
  let held = 0;
  let begun = false;
  const take = (last: Buffer, whole: boolean): LineBlock => {
    let bytes = pieces.length === 0 ? last : Buffer.concat([...pieces, last]);
    if (!begun && bytes.subarray(0, 3).equals(BYTE_ORDER_MARK)) bytes = bytes.subarray(3);
    begun = true;
    pieces = [];
    held = 0;
    return { bytes, whole };
  };
  for await (const chunk of fileBytes(path)) {
    const end = chunk.lastIndexOf(10) + 1;
    if (end > 0) yield take(chunk.subarray(0, end), true);
    if (end === chunk.length) continue;
    pieces.push(chunk.subarray(end));
    held += chunk.length - end;
    if (held >= maxLineBytes) yield take(Buffer.alloc(0), false);
  }
  if (held > 0) yield take(Buffer.alloc(0), true);
}

/** The number of newlines in some bytes. */
export function countLines(bytes: Buffer): number {
  let count = 0;
  for (let at = bytes.indexOf(10); at >= 0; at = bytes.indexOf(10, at + 1)) count += 1;
  return count;
}
