/** Rows of files in any format: JSON Lines, a JSON list, Parquet, Arrow. */
import { arrowColumns, arrowRows } from '../formats/arrow-rows.ts';
import { parquetColumns, parquetRows } from '../formats/parquet/parquet-rows.ts';
import type { TableRow } from '../formats/table-row.ts';
import { rowFormat } from './file-format.ts';
import { isJsonLines, type JsonLine, jsonLines, MAX_LINE_BYTES } from './json-lines.ts';
import { jsonListItems } from './json-list.ts';

/**
 * The rows of a file, each with its place: `file:line` of JSON Lines, `file[index]` of others. Many
 * tools write JSON Lines into files that are named .json, so these are told apart by their
 * contents. Throws the errors of the readers.
 * @param columns columns of a table to read; all when missing
 */
export async function* rowsOfFile(file: string, columns?: ReadonlySet<string>): AsyncGenerator<JsonLine> {
  const format = rowFormat(file);
  if (format === 'parquet') yield* tableLines(parquetRows(file, columns), file);
  else if (format === 'arrow') yield* tableLines(arrowRows(file, columns), file);
  else if (format === 'json' && !(await isJsonLines(file))) yield* jsonListItems(file);
  else yield* jsonLines(file);
}

/** The columns of a table; undefined for other files. Throws the errors of the readers. */
export async function columnsOf(path: string): Promise<string[] | undefined> {
  const format = rowFormat(path);
  if (format === 'parquet') return parquetColumns(path);
  return format === 'arrow' ? arrowColumns(path) : undefined;
}

async function* tableLines(rows: AsyncIterable<TableRow>, file: string): AsyncGenerator<JsonLine> {
  for await (const row of rows) {
    const id = `${file}[${row.row}]`;
    if ('problem' in row) yield { dropped: { id, reason: 'damaged', detail: row.problem } };
    else if ('notUtf8' in row) yield { dropped: { id, reason: 'not_utf8' } };
    else if (row.bytes > MAX_LINE_BYTES) {
      yield { dropped: { id, reason: 'too_long', detail: `over ${MAX_LINE_BYTES} bytes` } };
    } else yield { id, value: row.value, bytes: row.bytes };
  }
}
