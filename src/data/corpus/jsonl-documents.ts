/** Files of rows with one document per row: JSON Lines, a JSON list, Parquet, Arrow. */
import type { JsonObject, JsonValue } from '../../base/json.ts';
import type { CorpusItem, Document, Dropped } from '../document.ts';
import { isRecord, type JsonLine, jsonLines, kindOf } from './json-lines.ts';
import type { FileRange } from './line-blocks.ts';
import { columnsOf, rowsOfFile } from './row-files.ts';

/** @param key the field that holds the text: its name, or names joined by dots */
export async function* readJsonl(
  file: string,
  source: string,
  key: string,
  range?: FileRange,
): AsyncGenerator<CorpusItem> {
  yield* rowDocuments(jsonLines(file, range), source, key);
}

/** The documents of a file of rows of another format. Of a table only the column is read. */
export async function* readRowFile(file: string, source: string, key: string): AsyncGenerator<CorpusItem> {
  const columns = await columnsOf(file);
  const name = columns === undefined || columns.includes(key) ? key : key.split('.')[0]!;
  if (columns && !columns.includes(name)) {
    const detail = `no column "${name}"; it has ${columns.slice(0, 8).join(', ') || 'nothing'}`;
    yield { dropped: { id: file, reason: 'missing_field', detail } };
    return;
  }
  yield* rowDocuments(rowsOfFile(file, columns && new Set([name])), source, key);
}

async function* rowDocuments(
  lines: AsyncIterable<JsonLine>,
  source: string,
  key: string,
): AsyncGenerator<CorpusItem> {
  for await (const line of lines) {
    if ('dropped' in line) {
      yield line;
      continue;
    }
    const { id, value } = line;
    const text = isRecord(value) ? textAt(value, key) : undefined;
    if (text === undefined) yield { dropped: withoutText(id, value, key) };
    else yield documentOf({ id, text, source });
  }
}

/**
 * The text of a field. Of a list it is the texts of all items, and of messages their contents, with
 * a blank line between two. Undefined where there is none.
 */
export function textAt(row: JsonObject, key: string): string | undefined {
  const names = Object.hasOwn(row, key) ? [key] : key.split('.');
  const texts = textsAt(row, names, false);
  return texts && (texts.length === 1 ? texts[0] : texts.join('\n\n'));
}

/** Undefined where something else than a text stands. */
function textsAt(
  value: JsonValue | undefined,
  names: readonly string[],
  inList: boolean,
): string[] | undefined {
  if (Array.isArray(value)) {
    const all = value.map((item) => textsAt(item, names, true));
    return all.length > 0 && all.every((texts) => texts !== undefined) ? all.flat() : undefined;
  }
  const [name, ...rest] = names;
  if (name !== undefined) return isRecord(value) ? textsAt(value[name], rest, inList) : undefined;
  if (typeof value === 'string') return [value];
  return inList && isRecord(value) && typeof value.content === 'string' ? [value.content] : undefined;
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
