/**
 * Reads text files as documents. A long file is cut into parts that together equal the file, byte
 * for byte. So memory stays constant, and a corpus of one file still has documents for validation.
 */
import { fileKind } from '../../base/files/file-kind.ts';
import type { CorpusItem } from '../document.ts';
import { decodeUtf8 } from '../formats/utf8.ts';
import { countLines, lineBlocks } from './line-blocks.ts';
import { documentOf } from './row-documents.ts';

export interface TextOptions {
  /** A line that equals this ends a document and belongs to none. */
  separator: string | undefined;
  /** The most bytes in a document. Longer ones are cut, at blank lines if there are any. */
  partBytes: number;
  /** The programming language of the documents. */
  language?: string | undefined;
}

/** @param file the name in ids */
export async function* readTextFile(
  path: string,
  source: string,
  options: TextOptions,
  file = path,
): AsyncGenerator<CorpusItem> {
  const { partBytes, language } = options;
  const separator = options.separator === undefined ? undefined : Buffer.from(options.separator);
  let held: Buffer = Buffer.alloc(0);
  let line = 1;
  let emitted = 0;
  let atLineStart = true;
  const emit = (bytes: Buffer, last = false): CorpusItem => {
    const id = last && emitted === 0 ? file : `${file}:${line}`;
    const item = partItem(id, bytes, source, line);
    if (language !== undefined && 'document' in item) item.document.language = language;
    emitted += 1;
    line += countLines(bytes);
    return item;
  };
  for await (const { bytes, whole } of lineBlocks(path, partBytes)) {
    // A zero byte never occurs in text. It occurs early in files of nearly every binary format.
    if (bytes.includes(0)) {
      const kind = fileKind(bytes);
      const detail = kind && `it is ${kind.name}; ${kind.remedy}`;
      yield { dropped: { id: file, reason: 'binary', ...(detail && { detail }) } };
      return;
    }
    for (const piece of separator ? cutAtLines(bytes, separator, atLineStart) : [bytes]) {
      if (piece === undefined) {
        yield emit(held);
        held = Buffer.alloc(0);
        line += 1;
        continue;
      }
      held = held.length === 0 ? piece : Buffer.concat([held, piece]);
      while (held.length > partBytes) {
        const end = cutPoint(held, partBytes);
        yield emit(held.subarray(0, end));
        held = held.subarray(end);
      }
    }
    atLineStart = whole;
  }
  if (held.length > 0 || emitted === 0) yield emit(held, true);
}

function partItem(id: string, bytes: Buffer, source: string, line: number): CorpusItem {
  const text = decodeUtf8(bytes);
  if (text === undefined)
    return { dropped: { id, reason: 'not_utf8', detail: `line ${line + badLine(bytes)}` } };
  return documentOf({ id, text, source });
}

/** The first line, counted from 0, that is not UTF-8. */
function badLine(bytes: Buffer): number {
  let line = 0;
  for (let start = 0; ; ++line) {
    const end = bytes.indexOf(10, start) + 1;
    if (end === 0 || decodeUtf8(bytes.subarray(start, end)) === undefined) return line;
    start = end;
  }
}

/** The bytes between the lines that equal the separator. Each such line yields undefined. */
function* cutAtLines(bytes: Buffer, separator: Buffer, atLineStart: boolean): Generator<Buffer | undefined> {
  let start = 0;
  for (let at = bytes.indexOf(separator); at >= 0; at = bytes.indexOf(separator, at + 1)) {
    const begins = at === 0 ? atLineStart : bytes[at - 1] === 10;
    let end = at + separator.length;
    if (bytes[end] === 13 && bytes[end + 1] === 10) end += 1;
    if (!begins || (end < bytes.length && bytes[end] !== 10)) continue;
    if (at > start) yield bytes.subarray(start, at);
    yield undefined;
    start = Math.min(end + 1, bytes.length);
  }
  if (start < bytes.length) yield bytes.subarray(start);
}

/**
 * Where to cut bytes so that at most `limit` come before the cut. It cuts after the last blank line
 * in the second half of them, else after the last line, else after the last space there, else
 * between two characters.
 */
export function cutPoint(bytes: Buffer, limit: number): number {
  const least = Math.floor(limit / 2);
  for (const mark of ['\n\n', '\r\n\r\n', '\n', ' ']) {
    const at = bytes.lastIndexOf(mark, limit - mark.length);
    if (at >= least) return at + mark.length;
  }
  let end = limit;
  while (end > least && (bytes[end]! & 0xc0) === 0x80) end -= 1;
  return end;
}
