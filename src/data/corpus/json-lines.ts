/**
 * The lines of a JSONL file as JSON values, each with its place. A line that cannot be read becomes
 * a dropped item.
 */
import { fileKind } from '../../base/files/file-kind.ts';
import { type JsonObject, type JsonValue, parseJson } from '../../base/json.ts';
import type { Dropped } from '../document.ts';
import { decodeUtf8 } from '../formats/utf8.ts';
import { type FileRange, lineBlocks } from './line-blocks.ts';

/** Far more than any document has, and far less than the longest possible string. */
export const MAX_LINE_BYTES = 64 << 20;

/** A value with its place and the size of its text, or the reason why there is none. */
export type JsonLine = { id: string; value: JsonValue; bytes: number } | { dropped: Dropped };

/**
 * The lines of one file, or of a range of it. `id` is "file:line". Blank lines are skipped. A file
 * of another format is one dropped item. Throws as lineBlocks does.
 */
export async function* jsonLines(file: string, range?: FileRange): AsyncGenerator<JsonLine> {
  let number = range === undefined ? 0 : range.line - 1;
  let skipping = false;
  for await (const { bytes, whole } of lineBlocks(file, MAX_LINE_BYTES, range)) {
    const kind = number === 0 && !skipping ? fileKind(bytes) : undefined;
    if (kind) {
      yield {
        dropped: { id: file, reason: 'binary', detail: `it is ${kind.name}`, remedy: kind.remedy },
      };
      return;
    }
    let start = 0;
    if (skipping) {
      start = bytes.indexOf(10) + 1;
      if (start === 0) continue;
      skipping = false;
    }
    if (!whole) {
      number += 1;
      skipping = true;
      yield {
        dropped: { id: `${file}:${number}`, reason: 'too_long', detail: `over ${MAX_LINE_BYTES} bytes` },
      };
      continue;
    }
    while (start < bytes.length) {
      const newline = bytes.indexOf(10, start);
      const end = newline < 0 ? bytes.length : newline;
      number += 1;
      const line = parseLine(`${file}:${number}`, bytes.subarray(start, end));
      if (line) yield line;
      start = end + 1;
    }
  }
}

/**
 * Whether a file begins with an object that ends its line, and goes on with another one. Such are
 * JSON Lines, whatever the name of the file. Throws as lineBlocks does.
 */
export async function isJsonLines(file: string): Promise<boolean> {
  for await (const { bytes } of lineBlocks(file, MAX_LINE_BYTES)) {
    const [first = '', second = ''] = (decodeUtf8(bytes) ?? '')
      .split('\n')
      .filter((line) => line.trim() !== '');
    if (!second.trimStart().startsWith('{')) return false;
    try {
      return isRecord(parseJson(first));
    } catch {
      return false;
    }
  }
  return false;
}

/** Undefined for a blank line. */
function parseLine(id: string, bytes: Buffer): JsonLine | undefined {
  const line = decodeUtf8(bytes);
  if (line === undefined) return { dropped: { id, reason: 'not_utf8' } };
  if (line.trim() === '') return undefined;
  try {
    return { id, value: parseJson(line), bytes: bytes.length };
  } catch (error) {
    return { dropped: { id, reason: 'bad_json', detail: (error as Error).message } };
  }
}

export function isRecord(value: unknown): value is JsonObject {
  return value !== null && typeof value === 'object' && !Array.isArray(value);
}

/** The kind of a JSON value, for messages. */
export function kindOf(value: unknown): string {
  if (value === undefined) return 'missing';
  if (value === null) return 'null';
  if (Array.isArray(value)) return 'a list';
  return typeof value === 'object' ? 'an object' : `a ${typeof value}`;
}
