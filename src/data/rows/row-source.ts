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
 * for a table with separators, and ERR_ARGUMENT for a split that is not there or of no folder.
 * @param split of a dataset folder; `train` or the only one when missing
 */
export function rowFiles(path: string, split?: string): string[] {
  try {
    const isOfNames = isPattern(path) && !statOf(path);
    if (split !== undefined && (isOfNames || !statSync(path).isDirectory())) throw noFolder(path);
    if (isOfNames) return patternFiles(path);
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

function noFolder(path: string): AthanorError {
  const what = `\`split\` chooses a part of a dataset folder, but ${path} is no folder`;
  const remedy = 'name the folder of the dataset, or leave `split` out';
  return new AthanorError('ERR_ARGUMENT', what, remedy);
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

/** Gives fields of rows other names. */
export interface Renamer {
  rename(row: JsonObject): JsonObject;
  /** Throws ERR_ARGUMENT when no row had a field under its old or its new name. */
  checkFound(): void;
}

/**
 * Gives fields of rows their new names. A field that had the new name before is left out. Throws
 * ERR_ARGUMENT for a name of another form than `new=old`, and for a new name that is given twice.
 */
export function renamer(columns: readonly string[]): Renamer {
  const pairs = columns
    .flatMap((text) => text.split(','))
    .map((text) => {
      const [name, old, ...rest] = text.split('=');
      if (name && old && rest.length === 0) return [name, old] as const;
      const remedy = 'name the new and the old field, such as prompt=question';
      throw new AthanorError('ERR_ARGUMENT', `\`columns\` has "${text}", which is not new=old`, remedy);
    });
  const names = pairs.map(([name]) => name);
  const twice = names.find((name, i) => names.indexOf(name) < i);
  if (twice !== undefined) {
    throw new AthanorError('ERR_ARGUMENT', `\`columns\` names ${twice} twice`, 'keep one of the two');
  }
  // A row may have the new name already.
  const missing = new Map(pairs);
  return {
    rename(row) {
      if (pairs.length === 0) return row;
      for (const [name, old] of missing) {
        if (Object.hasOwn(row, old) || Object.hasOwn(row, name)) missing.delete(name);
      }
      const found = pairs.filter(([, old]) => Object.hasOwn(row, old));
      const gone = new Set<string>(found.flat());
      const kept = Object.entries(row).filter(([name]) => !gone.has(name));
      return Object.fromEntries([...kept, ...found.map(([name, old]) => [name, row[old]!] as const)]);
    },
    checkFound() {
      if (missing.size === 0) return;
      const what = `\`columns\` names ${[...missing.values()].join(', ')}, which no row has`;
      throw new AthanorError('ERR_ARGUMENT', what, 'name fields of the rows');
    },
  };
}

/** Throws ERR_ARGUMENT for a limit that is not a whole number of at least 1. */
export function checkedLimit(limit: number | undefined): number {
  if (limit === undefined) return Number.POSITIVE_INFINITY;
  if (Number.isSafeInteger(limit) && limit >= 1) return limit;
  throw new AthanorError('ERR_ARGUMENT', `expected a \`limit\` of at least 1 but got ${limit}`);
}
