/** The rows of Parquet files. Memory holds a few pages of each column. */
import type { ColumnMetaData, DecodedArray, RowGroup, SchemaTree } from 'hyparquet';
import { parquetSchema } from 'hyparquet';
import { assembleNested } from 'hyparquet/src/assemble.js';
import { AthanorError } from '../../../base/errors.ts';
import type { JsonObject } from '../../../base/json.ts';
import type { TableRow } from '../table-row.ts';
import { BadText, jsonOfCell, sizeOfJson } from '../table-value.ts';
import { columnRows, parsers } from './column-pages.ts';
import { chunksOf, openParquet, type ParquetFile } from './parquet-file.ts';

/** Rows that become objects at once. */
const BATCH_ROWS = 1024;

/**
 * The rows of a file. A row group that is damaged ends with a problem, and the next one follows.
 * Throws as openParquet does.
 * @param columns names of the columns to read; all when missing. Absent ones are left out.
 */
export async function* parquetRows(path: string, columns?: ReadonlySet<string>): AsyncGenerator<TableRow> {
  const file = await openParquet(path);
  try {
    let first = 0;
    for (const group of file.metadata.row_groups) {
      if (group.num_rows > 0n) yield* groupRows(file, group, first, columns);
      first += Number(group.num_rows);
    }
  } finally {
    await file.close();
  }
}

/** Names of the columns of a file. Throws as openParquet does. */
export async function parquetColumns(path: string): Promise<string[]> {
  const file = await openParquet(path);
  await file.close();
  return parquetSchema(file.metadata).children.map(({ element }) => element.name);
}

async function* groupRows(
  file: ParquetFile,
  group: RowGroup,
  first: number,
  columns: ReadonlySet<string> | undefined,
): AsyncGenerator<TableRow> {
  let row = 0;
  const end = Number(group.num_rows);
  try {
    const tree = parquetSchema(file.metadata);
    const wanted = chunksOf(group).filter(({ path_in_schema: [name] }) => columns?.has(name!) ?? true);
    const tops = tree.children.filter(({ element }) => columns?.has(element.name) ?? true);
    for await (const { count, leaves } of aligned(file, wanted, tree)) {
      const values = tops.map((top) => assembled(top, leaves));
      for (let i = 0; i < count; i++) yield rowOf(tops, values, i, first + row++);
    }
    if (wanted.length > 0 && row !== end) throw new Error(`its columns have ${row} rows of ${end}`);
  } catch (error) {
    if (error instanceof AthanorError) throw error;
    const rows = `rows ${first + row} to ${first + end - 1}`;
    yield { row: first + row, problem: `${rows} cannot be read: ${(error as Error).message}` };
  }
}

function rowOf(
  tops: readonly SchemaTree[],
  values: readonly DecodedArray[],
  i: number,
  row: number,
): TableRow {
  try {
    const value: JsonObject = {};
    for (const [at, { element }] of tops.entries()) value[element.name] = jsonOfCell(values[at]![i]);
    return { row, value, bytes: sizeOfJson(value) };
  } catch (error) {
    if (error instanceof BadText) return { row, notUtf8: true };
    throw error;
  }
}

interface Run {
  count: number;
  /** Values by the path of a leaf, joined by dots. */
  leaves: Map<string, DecodedArray>;
}

/** The leaf columns side by side: pages of different columns have different numbers of rows. */
async function* aligned(
  file: ParquetFile,
  chunks: readonly ColumnMetaData[],
  tree: SchemaTree,
): AsyncGenerator<Run> {
  const columns = chunks.map((chunk) => new Cursor(columnRows(file, chunk, tree)));
  while (chunks.length > 0) {
    const left: number[] = [];
    for (const column of columns) left.push(await column.left());
    const count = Math.min(BATCH_ROWS, ...left);
    if (count === 0) {
      if (left.some((rows) => rows > 0)) throw new Error('its columns have different lengths');
      return;
    }
    const path = (i: number) => chunks[i]!.path_in_schema.join('.');
    yield { count, leaves: new Map(columns.map((column, i) => [path(i), column.take(count)])) };
  }
}

/** A place among the values of a column. */
class Cursor {
  readonly #runs: AsyncGenerator<DecodedArray>;
  #values: DecodedArray = [];
  #at = 0;

  constructor(runs: AsyncGenerator<DecodedArray>) {
    this.#runs = runs;
  }

  /** How many values can be taken; 0 only at the end. */
  async left(): Promise<number> {
    while (this.#at === this.#values.length) {
      const { value, done } = await this.#runs.next();
      if (done) return 0;
      this.#values = value;
      this.#at = 0;
    }
    return this.#values.length - this.#at;
  }

  take(count: number): DecodedArray {
    this.#at += count;
    return this.#values.slice(this.#at - count, this.#at);
  }
}

/** The values of a top-level column. */
function assembled(top: SchemaTree, leaves: Map<string, DecodedArray>): DecodedArray {
  if (top.children.length > 0) assembleNested(leaves, top, parsers);
  const values = leaves.get(top.element.name);
  if (!values) throw new Error(`the column ${top.element.name} has no values`);
  return values;
}
