/**
 * The texts of evaluation sets, for decontamination: rows of JSON Lines, JSON lists, Parquet and
 * Arrow, and plain texts. The text of a row is all its strings, whatever their keys, one after
 * another: the question and its answers.
 */
import { readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { AthanorError, fileError } from '../../base/errors.ts';
import type { JsonValue } from '../../base/json.ts';
import { fileFormat, rowFormat } from '../corpus/file-format.ts';
import { rowsOfFile } from '../corpus/row-files.ts';
import { readTextFile } from '../corpus/text-documents.ts';
import type { Dropped } from '../document.ts';

/** A text, and the file or folder that was named for its set. */
export interface EvaluationText {
  id: string;
  text: string;
}

const KINDS = '.jsonl, .json, .txt or .md, each also as .gz or .zst, .parquet or .arrow';
/** A text of a file is far shorter; a longer one is cut and loses the runs across the cut. */
const PART_BYTES = 16 << 20;
/** Keys whose strings are no text that anybody reads. */
const silentKeys = new Set(['id', 'role', 'type', 'name', 'url', 'image']);

/**
 * Reads a file or all files of a folder, to any depth, in name order. Throws ERR_ARGUMENT for a
 * file of another kind or a folder without one, ERR_FORMAT for a line that cannot be read, and the
 * errors of reading.
 */
export async function* evaluationTexts(path: string): AsyncGenerator<EvaluationText> {
  for (const file of evaluationFiles(path)) {
    if (rowFormat(file)) yield* rowTexts(file);
    else yield* plainTexts(file);
  }
}

async function* rowTexts(file: string): AsyncGenerator<EvaluationText> {
  for await (const line of rowsOfFile(file)) {
    if ('dropped' in line) throw unreadable(line.dropped);
    yield { id: line.id, text: [...stringsOf(line.value)].join('\n') };
  }
}

async function* plainTexts(file: string): AsyncGenerator<EvaluationText> {
  const options = { separator: undefined, partBytes: PART_BYTES };
  for await (const item of readTextFile(file, file, options)) {
    if ('dropped' in item) throw unreadable(item.dropped);
    yield item.document;
  }
}

function unreadable({ id, reason, detail }: Dropped): AthanorError {
  const why = `${reason.replaceAll('_', ' ')}${detail ? ` (${detail})` : ''}`;
  return new AthanorError(
    'ERR_FORMAT',
    `${id}: ${why}`,
    'correct it: a set that is read in part hides leaks',
  );
}

/** All strings of a value, in order. */
function* stringsOf(value: JsonValue): Generator<string> {
  const stack: JsonValue[] = [value];
  for (let top = stack.pop(); top !== undefined; top = stack.pop()) {
    if (typeof top === 'string') yield top;
    if (top === null || typeof top !== 'object') continue;
    // The last one first, so that the first one is taken first.
    for (const [key, field] of Object.entries(top).reverse()) {
      if (Array.isArray(top) || !silentKeys.has(key)) stack.push(field);
    }
  }
}

/** The files of a set. Throws ERR_ARGUMENT and ERR_FILE_MISSING. */
export function evaluationFiles(path: string): string[] {
  const usable = (file: string) => rowFormat(file) !== undefined || fileFormat(file) === 'text';
  try {
    if (!statSync(path).isDirectory()) {
      if (usable(path)) return [path];
      throw new AthanorError('ERR_ARGUMENT', `${path} is not a kind of file that is read`, `give ${KINDS}`);
    }
    const names = readdirSync(path, { recursive: true, encoding: 'utf8' }).filter(usable).sort();
    if (names.length > 0) return names.map((name) => join(path, name));
  } catch (error) {
    throw fileError(error, path);
  }
  throw new AthanorError('ERR_ARGUMENT', `${path} holds no text`, `put files of ${KINDS} there`);
}
