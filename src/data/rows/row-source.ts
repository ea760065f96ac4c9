/** Where rows come from: files, names of fields, how many. */
import { readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { AthanorError, fileError } from '../../base/errors.ts';
import type { JsonObject } from '../../base/json.ts';
import { splitFiles } from '../corpus/dataset-folder.ts';
import { rowFormat } from '../corpus/file-format.ts';
import { filesOfPattern, isPattern, statOf } from '../corpus/files-below.ts';

/**
 * The files of rows that a path names, in their order. Throws ERR_FILE_MISSING, ERR_IO, ERR_FORMAT
 * for a table with separators, and ERR_ARGUMENT for a split that is not there.
 * @param split of a dataset folder; `train` or the only one when missing
 */
export function rowFiles(path: string, split?: string): string[] {
  try {
    if (isPattern(path) && !statOf(path)) return patternFiles(path);
    if (!statSync(path).isDirectory()) {
      if (!/\.(csv|tsv)(\.gz)?$/i.test(path)) return [path];
      const remedy = 'convert it to JSON Lines, such as with pandas: read_csv and to_json';
      throw new AthanorError('ERR_FORMAT', `${path} is a table with separators, not JSON Lines`, remedy);
    }
    return splitFiles(path, split) ?? folderFiles(path);
  } catch (error) {
    throw fileError(error, path);
  }
}

function patternFiles(pattern: string): string[] {
  const files = filesOfPattern(pattern).filter((file) => rowFormat(file));
  if (files.length > 0) return files;
  throw new AthanorError(
    'ERR_FILE_MISSING',
    `no file of rows fits ${pattern}`,
    'name a file or another folder',
  );
}

function folderFiles(folder: string): string[] {
  const all = readdirSync(folder).filter((name) => !name.startsWith('.'));
  const names = all.filter((name) => rowFormat(name));
  if (names.length > 0) return names.sort().map((name) => join(folder, name));
  const table = all.find((name) => /\.(csv|tsv)$/i.test(name));
  throw new AthanorError(
    'ERR_FILE_MISSING',
    `${folder} holds no .jsonl, .json, .parquet or .arrow file${table === undefined ? '' : `, but ${table}`}`,
    table === undefined ? 'name a file or another folder' : 'convert it to JSON Lines',
  );
}

/**
 * Gives fields of rows their new names. A field that had the new name before is left out. Throws
 * ERR_ARGUMENT for a name of another form than `new=old`.
 */
export function renamer(columns: readonly string[]): (row: JsonObject) => JsonObject {
  const pairs = columns
    .flatMap((text) => text.split(','))
    .map((text) => {
      const [name, old, ...rest] = text.split('=');
      if (name && old && rest.length === 0) return [name, old] as const;
      const remedy = 'name the new and the old field, such as prompt=question';
      throw new AthanorError('ERR_ARGUMENT', `\`columns\` has "${text}", which is not new=old`, remedy);
    });
  if (pairs.length === 0) return (row) => row;
  return (row) => {
    const found = pairs.filter(([, old]) => Object.hasOwn(row, old));
    const gone = new Set<string>(found.flat());
    const kept = Object.entries(row).filter(([name]) => !gone.has(name));
    return Object.fromEntries([...kept, ...found.map(([name, old]) => [name, row[old]!] as const)]);
  };
}

/** Throws ERR_ARGUMENT for a limit that is not a whole number of at least 1. */
export function checkedLimit(limit: number | undefined): number {
  if (limit === undefined) return Number.POSITIVE_INFINITY;
  if (Number.isSafeInteger(limit) && limit >= 1) return limit;
  throw new AthanorError('ERR_ARGUMENT', `expected a \`limit\` of at least 1 but got ${limit}`);
}
