/**
 * Reads plain text files in parts of a few megabytes. They are cut only where no split pattern
 * looks across the cut. So files of any size train a tokenizer to the same vocabulary as if they
 * were read at once.
 */
import { isUtf8 } from 'node:buffer';
import { type FileHandle, open } from 'node:fs/promises';
import { AthanorError, fileError } from '../base/errors.ts';
import { fileKind } from '../base/files/file-kind.ts';
import { native } from '../native/addon.ts';

const PART_BYTES = 8 << 20;
const BYTE_ORDER_MARK = Buffer.from('\ufeff');

/**
 * The parts of a text file, as UTF-8 without a byte-order mark. Throws ERR_FILE_MISSING, and
 * ERR_FORMAT with the line for a file that is empty, binary or not UTF-8.
 */
export async function* readTextFile(path: string, partBytes = PART_BYTES): AsyncGenerator<Uint8Array> {
  let file: FileHandle;
  try {
    file = await open(path);
  } catch (error) {
    throw fileError(error, path);
  }
  try {
    let rest: Buffer = Buffer.alloc(0);
    let line = 1;
    let begun = false;
    for (let wanted = partBytes; ; ) {
      const chunk = await readChunk(file, path, wanted);
      const last = chunk.length < wanted;
      const all = rest.length === 0 ? chunk : Buffer.concat([rest, chunk]);
      const end = last ? all.length : native.lastCut(all);
      // Without a place to cut, reading as much again keeps the cost of the copies linear.
      wanted = end === 0 ? all.length : partBytes;
      let part = all.subarray(0, end);
      rest = all.subarray(end);
      if (!begun && part.length > 0) {
        begun = true;
        const kind = fileKind(part);
        if (kind) throw new AthanorError('ERR_FORMAT', `${path}: it is ${kind.name}, not text`, kind.remedy);
        if (part.subarray(0, 3).equals(BYTE_ORDER_MARK)) part = part.subarray(3);
      }
      if (part.length > 0) {
        line = checkText(part, path, line);
        yield part;
      }
      if (last) break;
    }
    if (!begun) throw new AthanorError('ERR_FORMAT', `${path} is empty`, 'name a file that holds text');
  } finally {
    await file.close();
  }
}

/** Reads `bytes` bytes, or fewer at the end of the file. */
async function readChunk(file: FileHandle, path: string, bytes: number): Promise<Buffer> {
  const chunk = Buffer.allocUnsafe(bytes);
  let filled = 0;
  while (filled < bytes) {
    const { bytesRead } = await file.read(chunk, filled, bytes - filled).catch((error: unknown) => {
      throw fileError(error, path);
    });
    if (bytesRead === 0) break;
    filled += bytesRead;
  }
  return chunk.subarray(0, filled);
}

/** Checks that a part is UTF-8 text, and returns the number of the line on which it ends. */
function checkText(part: Uint8Array, path: string, firstLine: number): number {
  const valid = isUtf8(part) && !part.includes(0);
  let line = firstLine;
  for (let begin = 0; begin <= part.length; line++) {
    const newline = part.indexOf(10, begin);
    const end = newline === -1 ? part.length : newline;
    if (!valid) {
      const bytes = part.subarray(begin, end);
      if (bytes.includes(0)) fail(`${path}:${line}: holds a zero byte, so the file is binary`);
      if (!isUtf8(bytes)) fail(`${path}:${line}: is not UTF-8`);
    }
    if (newline === -1) return line;
    begin = end + 1;
  }
  return line;
}

function fail(problem: string): never {
  throw new AthanorError('ERR_FORMAT', problem, 'name plain text files, or convert this one: iconv -t UTF-8');
}
