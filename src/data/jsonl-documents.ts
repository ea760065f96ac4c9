/** One document a line of JSON. */
import type { CorpusItem, Document, Dropped } from './document.ts';
import { decodeUtf8, lineBlocks } from './line-blocks.ts';

/** Far beyond any document, and far below the longest string that there can be. */
const MAX_LINE_BYTES = 64 << 20;

/** @param key the field that holds the text */
export async function* readJsonl(file: string, source: string, key: string): AsyncGenerator<CorpusItem> {
  let number = 0;
  let skipping = false;
  for await (const { bytes, whole } of lineBlocks(file, MAX_LINE_BYTES)) {
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
      const item = parseLine(`${file}:${number}`, bytes.subarray(start, end), source, key);
      if (item) yield item;
      start = end + 1;
    }
  }
}

/** Undefined for a blank line. */
function parseLine(id: string, bytes: Buffer, source: string, key: string): CorpusItem | undefined {
  const line = decodeUtf8(bytes);
  if (line === undefined) return { dropped: { id, reason: 'not_utf8' } };
  if (line.trim() === '') return undefined;
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch (error) {
    return { dropped: { id, reason: 'bad_json', detail: (error as Error).message } };
  }
  const text = isRecord(value) ? value[key] : undefined;
  if (typeof text !== 'string') return { dropped: withoutText(id, value, key) };
  return documentOf({ id, text, source });
}

function withoutText(id: string, value: unknown, key: string): Dropped {
  if (!isRecord(value))
    return { id, reason: 'missing_field', detail: `it is ${kindOf(value)}, not an object` };
  if (Object.hasOwn(value, key))
    return { id, reason: 'missing_field', detail: `"${key}" is ${kindOf(value[key])}, not a text` };
  const names = Object.keys(value).slice(0, 8).join(', ') || 'nothing';
  return { id, reason: 'missing_field', detail: `no "${key}"; it has ${names}` };
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return value !== null && typeof value === 'object' && !Array.isArray(value);
}

function kindOf(value: unknown): string {
  if (value === null) return 'null';
  if (Array.isArray(value)) return 'a list';
  return typeof value === 'object' ? 'an object' : `a ${typeof value}`;
}

/** A text of white space only is no document. */
export function documentOf(document: Document): CorpusItem {
  return /\S/.test(document.text) ? { document } : { dropped: { id: document.id, reason: 'empty' } };
}
