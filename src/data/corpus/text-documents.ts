/**
 * Reads text files as documents. A long file is cut into parts that together equal the file, byte
 * for byte. So memory stays constant, and a corpus of one file still has documents for validation.
 */
import { statSync } from 'node:fs';
import { fileKind } from '../../base/files/file-kind.ts';
import type { CorpusItem, Dropped } from '../document.ts';
import { decodeUtf8 } from '../formats/utf8.ts';
import { documentOf } from './jsonl-documents.ts';
import { countLines, type FileRange, lineBlocks } from './line-blocks.ts';

export interface TextOptions {
  /** A line that equals this ends a document and belongs to none. */
  separator: string | undefined;
  /** The most bytes in a document. Longer ones are cut, at blank lines if there are any. */
  partBytes: number;
  /** The programming language of the documents. */
  language?: string | undefined;
}

/** The bytes of a document of a text file. */
interface TextPart {
  bytes: Buffer;
  /** The number of its first line, counted from 1. */
  line: number;
  /** Whether it is all of the file. */
  isWhole: boolean;
  /** What the file holds behind it; undefined behind its last part. */
  next: Pick<FileRange, 'start' | 'line' | 'atLineStart'> | undefined;
}

/** @param range a range that `textRanges` gave */
export async function* readTextFile(
  file: string,
  source: string,
  options: TextOptions,
  range?: FileRange,
): AsyncGenerator<CorpusItem> {
  for await (const part of textParts(file, options, range)) {
    if ('dropped' in part) yield part;
    else yield partItem(part.isWhole ? file : `${file}:${part.line}`, part, source, options.language);
  }
}

/**
 * Ranges of at least so many bytes whose documents together are those of the file; undefined for a
 * file that cannot be divided. Throws the errors of reading.
 */
export async function textRanges(
  file: string,
  options: TextOptions,
  leastBytes: number,
): Promise<FileRange[] | undefined> {
  const starts = [{ start: 0, line: 1, atLineStart: true }];
  for await (const part of textParts(file, options)) {
    if ('dropped' in part) return undefined;
    if (part.next && part.next.start - starts.at(-1)!.start >= leastBytes) starts.push(part.next);
  }
  const { size } = statSync(file);
  const ranges = starts.map((range, i) => ({ ...range, end: starts[i + 1]?.start ?? size }));
  // A file may end with a separator.
  return ranges.filter(({ start, end }) => start < end);
}

async function* textParts(
  file: string,
  options: TextOptions,
  range?: FileRange,
): AsyncGenerator<TextPart | { dropped: Dropped }> {
  const { partBytes } = options;
  const separator = options.separator === undefined ? undefined : Buffer.from(options.separator);
  let held: Buffer = Buffer.alloc(0);
  /** The byte of the file behind what is held. */
  let end = range?.start ?? 0;
  let line = range?.line ?? 1;
  let emitted = 0;
  let atLineStart = range?.atLineStart ?? true;
  const isPartOfFile = range !== undefined;
  const emit = (bytes: Buffer, skipped = 0): TextPart => {
    const first = line;
    line += countLines(bytes) + skipped;
    emitted += 1;
    const start = end - (held.length - bytes.length);
    const next = { start, line, atLineStart: skipped > 0 || bytes.at(-1) === 10 };
    return { bytes, line: first, isWhole: false, next };
  };
  for await (const { bytes, start, whole } of lineBlocks(file, partBytes, range)) {
    // A zero byte never occurs in text. It occurs early in files of nearly every binary format.
    if (bytes.includes(0)) {
      const kind = fileKind(bytes);
      const detail = kind && `it is ${kind.name}; ${kind.remedy}`;
      yield { dropped: { id: file, reason: 'binary', ...(detail && { detail }) } };
      return;
    }
    for (const piece of separator
      ? cutAtLines(bytes, separator, atLineStart)
      : [{ bytes, end: bytes.length }]) {
      end = start + piece.end;
      if (piece.bytes === undefined) {
        yield emit(held, 1);
        held = Buffer.alloc(0);
        continue;
      }
      held = held.length === 0 ? piece.bytes : Buffer.concat([held, piece.bytes]);
      while (held.length > partBytes) {
        const cut = cutPoint(held, partBytes);
        yield emit(held.subarray(0, cut));
        held = held.subarray(cut);
      }
    }
    atLineStart = whole;
  }
  if (held.length === 0 && (emitted > 0 || isPartOfFile)) return;
  yield { bytes: held, line, isWhole: emitted === 0 && !isPartOfFile, next: undefined };
}

function partItem(
  id: string,
  { bytes, line }: TextPart,
  source: string,
  language: string | undefined,
): CorpusItem {
  const text = decodeUtf8(bytes);
  if (text === undefined)
    return { dropped: { id, reason: 'not_utf8', detail: `line ${line + badLine(bytes)}` } };
  return documentOf({ id, text, source, ...(language !== undefined && { language }) });
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

/**
 * The bytes between the lines that equal the separator, and their ends. Each such line yields an
 * entry without bytes.
 */
function* cutAtLines(
  bytes: Buffer,
  separator: Buffer,
  atLineStart: boolean,
): Generator<{ bytes: Buffer | undefined; end: number }> {
  let start = 0;
  for (let at = bytes.indexOf(separator); at >= 0; at = bytes.indexOf(separator, at + 1)) {
    const begins = at === 0 ? atLineStart : bytes[at - 1] === 10;
    let end = at + separator.length;
    if (bytes[end] === 13 && bytes[end + 1] === 10) end += 1;
    if (!begins || (end < bytes.length && bytes[end] !== 10)) continue;
    if (at > start) yield { bytes: bytes.subarray(start, at), end: at };
    start = Math.min(end + 1, bytes.length);
    yield { bytes: undefined, end: start };
  }
  if (start < bytes.length) yield { bytes: bytes.subarray(start), end: bytes.length };
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
