/** JSONL files with one document per line. */
import type { CorpusItem, Document, Dropped } from '../document.ts';
import { isRecord, jsonLines, kindOf } from './json-lines.ts';
import type { FileRange } from './line-blocks.ts';

/** @param key the field that holds the text */
export async function* readJsonl(
  file: string,
  source: string,
  key: string,
  range?: FileRange,
): AsyncGenerator<CorpusItem> {
  for await (const line of jsonLines(file, range)) {
    if ('dropped' in line) {
      yield line;
      continue;
    }
    const { id, value } = line;
    const text = isRecord(value) ? value[key] : undefined;
    if (typeof text !== 'string') yield { dropped: withoutText(id, value, key) };
    else yield documentOf({ id, text, source });
  }
}

function withoutText(id: string, value: unknown, key: string): Dropped {
  if (!isRecord(value))
    return { id, reason: 'missing_field', detail: `it is ${kindOf(value)}, not an object` };
  if (Object.hasOwn(value, key))
    return { id, reason: 'missing_field', detail: `"${key}" is ${kindOf(value[key])}, not a text` };
  const names = Object.keys(value).slice(0, 8).join(', ') || 'nothing';
  return { id, reason: 'missing_field', detail: `no "${key}"; it has ${names}` };
}

/** The document as an item, or a dropped item if its text is only white space. */
export function documentOf(document: Document): CorpusItem {
  return /\S/.test(document.text) ? { document } : { dropped: { id: document.id, reason: 'empty' } };
}
