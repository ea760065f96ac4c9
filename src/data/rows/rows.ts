/**
 * Reads rows of training data from JSONL, JSON, Parquet and Arrow files. Instructions, comparisons
 * and prompts are read through this.
 */
import { getHeapStatistics } from 'node:v8';
import { AthanorError } from '../../base/errors.ts';
import { type JsonObject, type JsonValue, quoted } from '../../base/json.ts';
import type { Message } from '../../text/chat-template.ts';
import { isRecord, kindOf } from '../corpus/json-lines.ts';
import { rowsOfFile } from '../corpus/row-files.ts';
import { type Dropped, type DropReason, describeDropped, isBad } from '../document.ts';
import { checkedLimit, renamer, rowFiles } from './row-source.ts';

/** Options of reading rows. */
export interface RowOptions {
  /**
   * What to do with a line that cannot be used: skip and count it, or throw
   * ERR_FORMAT. Default skip.
   */
  onBadLine?: 'skip' | 'fail';
  /** The split of a dataset folder. Default: `train`, or the only one. */
  split?: string | undefined;
  /** New names of fields, as `new=old` with commas between two. Default: none. */
  columns?: readonly string[] | undefined;
  /** The most rows that are used, the first ones. Default: all. */
  limit?: number | undefined;
}

/** Counts of rows that were dropped or changed. Nothing is dropped silently. */
export class RowCounts {
  /** Dropped rows by reason. */
  readonly dropped: Partial<Record<DropReason, number>> = {};
  /** The first dropped row of each reason, as "file:line: why". */
  readonly examples: string[] = [];
  /** Changes of rows that were kept, counted by description. */
  readonly changed: Record<string, number> = {};
  /** Fields that nothing reads: by file, in how many of its rows each one is. */
  readonly unused = new Map<string, Map<string, number>>();

  /** Counts a dropped row. */
  add(reason: DropReason, description: string): void {
    if (!this.dropped[reason]) this.examples.push(description);
    this.dropped[reason] = (this.dropped[reason] ?? 0) + 1;
  }

  /**
   * Counts changes of rows.
   * @param what the description that follows the number, such as "repeated completions merged"
   */
  change(what: string, count = 1): void {
    if (count > 0) this.changed[what] = (this.changed[what] ?? 0) + count;
  }

  /** Counts the fields of a row that are not among the known ones. */
  countUnused(file: string, row: JsonObject, known: ReadonlySet<string>): void {
    for (const field of Object.keys(row)) {
      if (known.has(field) || row[field] === null) continue;
      const fields = this.unused.get(file) ?? new Map<string, number>();
      this.unused.set(file, fields.set(field, (fields.get(field) ?? 0) + 1));
    }
  }

  /**
   * A summary such as "left out 4 rows (tie 3, bad json 1); the first of each: rows.jsonl:7: not
   * JSON (…)". Empty when nothing was dropped or changed.
   */
  describe(): string {
    const parts = Object.entries(this.changed).map(([what, count]) => `${count} ${what}`);
    const reasons = Object.entries(this.dropped);
    if (reasons.length > 0) {
      const all = reasons.reduce((sum, [, count]) => sum + count, 0);
      const counts = reasons.map(([reason, count]) => `${reason.replaceAll('_', ' ')} ${count}`);
      const rows = `left out ${all} ${all === 1 ? 'row' : 'rows'} (${counts.join(', ')})`;
      parts.push(`${rows}; the first of each: ${this.examples.join('; ')}`);
    }
    return [...parts, ...this.#describeUnused()].join('; ');
  }

  #describeUnused(): string[] {
    const files = [...this.unused].slice(0, MOST_FILES).map(([file, fields]) => {
      const named = [...fields].slice(0, MOST_FIELDS).map(([field, count]) => `${field} (${count} rows)`);
      const more = fields.size > MOST_FIELDS ? ` and ${fields.size - MOST_FIELDS} more` : '';
      return `${file} has fields without use: ${named.join(', ')}${more}`;
    });
    const more = this.unused.size - files.length;
    return more > 0 ? [...files, `${more} more files have fields without use`] : files;
  }
}

/** Most files, and most fields of each, that a summary names. */
const MOST_FILES = 5;
const MOST_FIELDS = 10;

/** The rows of a file or folder, and what was dropped or changed. */
export interface RowsRead<T> {
  rows: T[];
  counts: RowCounts;
}

/** Thrown by the parser of a row with the reason why the row cannot be used. */
export class BadRow extends Error {
  constructor(
    message: string,
    readonly reason: DropReason = 'bad_row',
  ) {
    super(message);
  }
}

/**
 * Reads a .jsonl file, a .json file (a list of rows, or JSON Lines), either of them as .gz or .zst,
 * a .parquet or .arrow file, all such files of a folder or of a pattern, or a split of a dataset
 * folder. Throws ERR_FORMAT for a file of another format such as CSV, when a .json file is neither,
 * when no usable row is left, and with onBadLine 'fail' naming the file and line of a bad row.
 * Throws ERR_FILE_MISSING, ERR_FILE_DAMAGED, ERR_ARGUMENT for a split that is not there and for
 * `columns` or `limit` of another form, and ERR_OUT_OF_MEMORY for more rows than the heap of Node
 * holds.
 * @param parse turns a row into a T, or throws BadRow
 * @param fields names of the fields that `parse` reads. Others, except `id` and `origin`, are
 *   counted by file.
 */
export async function readRows<T>(
  path: string,
  parse: (row: JsonObject, id: string, counts: RowCounts) => T,
  options: RowOptions = {},
  fields?: readonly string[],
): Promise<RowsRead<T>> {
  const rows: T[] = [];
  const known = fields && new Set([...fields, 'id', 'origin']);
  const counts = new RowCounts();
  const heap = new HeapGuard(path);
  const drop = (id: string, reason: DropReason, detail?: string) => {
    const description = describeDropped({ id, reason, ...(detail !== undefined && { detail }) });
    if (options.onBadLine === 'fail' && isBad(reason)) {
      throw new AthanorError('ERR_FORMAT', description, 'correct the line, or choose `onBadLine` skip');
    }
    counts.add(reason, description);
  };
  const names = renamer(options.columns ?? []);
  const limit = checkedLimit(options.limit);
  for (const file of rowFiles(path, options.split)) {
    if (rows.length === limit) break;
    for await (const line of rowsOfFile(file)) {
      if (rows.length === limit) break;
      if ('dropped' in line) {
        if (line.dropped.reason === 'binary') throw notRows(line.dropped);
        drop(line.dropped.id, line.dropped.reason, line.dropped.detail);
        continue;
      }
      try {
        if (!isRecord(line.value)) throw new BadRow(`it is ${kindOf(line.value)}, not an object`);
        const row = names.rename(line.value);
        rows.push(parse(row, line.id, counts));
        heap.add(line.bytes);
        if (known) counts.countUnused(file, row, known);
      } catch (error) {
        if (!(error instanceof BadRow)) throw error;
        drop(line.id, error.reason, error.message);
      }
    }
  }
  names.checkFound();
  if (rows.length === 0) {
    throw new AthanorError(
      'ERR_FORMAT',
      `${path} has no row that can be used${counts.examples.length > 0 ? `: ${counts.describe()}` : ''}`,
      'see docs/data.md for the formats',
    );
  }
  return { rows, counts };
}

function notRows({ id, detail, remedy }: Dropped): AthanorError {
  return new AthanorError('ERR_FORMAT', `${id}: ${detail ?? 'it is binary'}`, remedy);
}

/** Parts of the heap: rows may take all of it that others leave. */
const [HEAP_OF_ROWS, HEAP_IN_USE] = [0.25, 0.85];

/** Room for new values, which rows that stay cannot use. */
const YOUNG_BYTES = 48 << 20;

/** Ends a reader whose rows would fill the heap, because a full heap ends the process. */
class HeapGuard {
  readonly #file: string;
  #bytes = 0;
  #rows = 0;

  constructor(path: string) {
    this.#file = path;
  }

  /** Throws ERR_OUT_OF_MEMORY. */
  add(bytes: number): void {
    this.#bytes += bytes;
    // Asking costs as much as reading a short row.
    if (++this.#rows % 16 !== 0) return;
    const { heap_size_limit: whole, used_heap_size: used } = getHeapStatistics();
    const limit = whole - YOUNG_BYTES;
    if (this.#bytes < HEAP_OF_ROWS * limit || used < HEAP_IN_USE * limit) return;
    const mebibytes = (count: number) => `${Math.round(count / 2 ** 20)} MiB`;
    throw new AthanorError(
      'ERR_OUT_OF_MEMORY',
      `${this.#file}: its rows do not fit into the heap of ${mebibytes(limit)}: ` +
        `the first ${this.#rows} rows, ${mebibytes(this.#bytes)}, fill it`,
      `use fewer rows, or raise the limit: NODE_OPTIONS=--max-old-space-size=${Math.round(limit / 2 ** 19)}`,
    );
  }
}

/** Whether a row has a field. Rows that come from tables have null for an absent field. */
export function has(row: JsonObject, key: string): boolean {
  return row[key] !== undefined && row[key] !== null;
}

/** A field that must be a text other than white space. Throws BadRow. */
export function textField(row: JsonObject, key: string): string {
  return textOf(row[key], `"${key}"`);
}

/**
 * A value that must be a text other than white space. Throws BadRow.
 * @param what describes the value in messages
 */
export function textOf(value: JsonValue | undefined, what: string): string {
  if (typeof value !== 'string') throw new BadRow(`${what} is ${kindOf(value)}, not a text`);
  if (!/\S/.test(value)) throw new BadRow(`${what} is empty`, 'empty');
  return value;
}

/** Roles of the messages that come before the dialogue. */
const leadingRoles = ['system', 'developer'];
const roles = [...leadingRoles, 'user', 'assistant', 'tool'];

/**
 * A list of { role, content } in a valid order: perhaps a message of the system and one of the
 * developer, then user and assistant in turn. After a turn of the assistant that calls tools come
 * the turns of the tools, and then the next turn of the assistant. An empty message of the system
 * or the developer is left out. Throws BadRow.
 */
export function messagesOf(value: JsonValue | undefined, key: string): Message[] {
  if (!Array.isArray(value)) throw new BadRow(`"${key}" is ${kindOf(value)}, not a list of messages`);
  const all = value.map((message, i) => messageOf(message, `message ${i + 1} of "${key}"`));
  const leading = leadingMessages(all);
  const turns = all.slice(leading.length);
  const messages = [...leading.filter(({ content }) => /\S/.test(content)), ...turns];
  if (messages.length === 0) throw new BadRow(`"${key}" is empty`, 'empty');
  turns.forEach((message, i) => {
    const expected = dueAfter(turns[i - 1]);
    if (!expected.includes(message.role)) {
      throw new BadRow(`turn ${i + 1} of "${key}" is the ${message.role}'s, expected the ${expected[0]}'s`);
    }
    const mayBeEmpty = message.role === 'tool' || callsTools(message);
    if (!mayBeEmpty && !/\S/.test(message.content)) {
      throw new BadRow(`turn ${i + 1} of "${key}" is empty`, 'empty');
    }
  });
  return messages;
}

/** The messages of the system and of the developer at the beginning, at most one of each. */
function leadingMessages([first, second]: readonly Message[]): Message[] {
  if (!first || !leadingRoles.includes(first.role)) return [];
  const isLeading = second && leadingRoles.includes(second.role) && second.role !== first.role;
  return isLeading ? [first, second] : [first];
}

/** Whose turn may come behind a message. */
function dueAfter(message: Message | undefined): string[] {
  if (message === undefined) return ['user'];
  if (message.role === 'tool') return ['assistant', 'tool', 'user'];
  if (message.role === 'user') return ['assistant'];
  return callsTools(message) ? ['user', 'tool'] : ['user'];
}

function callsTools({ fields }: Message): boolean {
  const calls = fields?.tool_calls;
  return Array.isArray(calls) && calls.length > 0;
}

function messageOf(message: JsonValue, what: string): Message {
  if (!isRecord(message)) throw new BadRow(`${what} is ${kindOf(message)}, not an object`);
  const { role, content, weight, train, ...rest } = message;
  if (typeof role !== 'string' || !roles.includes(role)) {
    const shown = quoted(role ?? null);
    throw new BadRow(`${what} has the role ${shown}, not one of ${roles.join(', ')}`);
  }
  const fields: JsonObject = {};
  // Tables turned into messages write null as well.
  for (const [key, value] of Object.entries(rest)) if (value !== null) fields[key] = value;
  const withoutText = callsTools({ role, content: '', fields }) && !has(message, 'content');
  if (withoutText && content === null) fields.content = null;
  if (Array.isArray(content)) fields.content = content;
  else if (typeof content !== 'string' && !withoutText) {
    throw new BadRow(`the content of ${what} is ${kindOf(content)}, not a text`);
  }
  return {
    role,
    content: typeof content === 'string' ? content : Array.isArray(content) ? partsText(content, what) : '',
    ...(Object.keys(fields).length > 0 && { fields }),
    ...(isLearned(weight, train, what) ? {} : { train: false }),
  };
}

/** The text of content in parts: { type: 'text', text }. Throws BadRow for other parts. */
function partsText(parts: readonly JsonValue[], what: string): string {
  const texts = parts.map((part, i) => {
    if (!isRecord(part)) throw new BadRow(`part ${i + 1} of ${what} is ${kindOf(part)}, not an object`);
    if (part.type !== 'text' || typeof part.text !== 'string') {
      const type = JSON.stringify(part.type ?? null).slice(0, 40);
      throw new BadRow(`part ${i + 1} of ${what} has the type ${type}; only text is supported`);
    }
    return part.text;
  });
  return texts.join('');
}

/** OpenAI marks turns that are not learned with a weight of 0, other formats with `train`. */
function isLearned(weight: JsonValue | undefined, train: JsonValue | undefined, what: string): boolean {
  if (weight !== undefined && weight !== null && weight !== 0 && weight !== 1) {
    throw new BadRow(`the weight of ${what} is ${quoted(weight)}, not 0 or 1`);
  }
  if (train !== undefined && train !== null && typeof train !== 'boolean') {
    throw new BadRow(`"train" of ${what} is ${kindOf(train)}, not true or false`);
  }
  return weight !== 0 && train !== false;
}

/** A prompt: a text of the user, or messages that end with a turn of the user. Throws BadRow. */
export function promptOf(value: JsonValue | undefined, key: string): Message[] {
  if (!Array.isArray(value)) return [{ role: 'user', content: textOf(value, `"${key}"`) }];
  const messages = messagesOf(value, key);
  if (messages.at(-1)!.role === 'assistant') throw new BadRow(`"${key}" does not end with the user's turn`);
  return messages;
}

/** An answer: a text, or a list of one message of the assistant. Throws BadRow. */
export function answerOf(row: JsonObject, key: string): Message {
  const value = row[key];
  if (!Array.isArray(value)) return { role: 'assistant', content: textField(row, key) };
  const [message, ...rest] = value;
  if (rest.length > 0 || !isRecord(message)) throw new BadRow(`"${key}" is not one message`);
  if (message.role !== 'assistant') throw new BadRow(`the message in "${key}" is not the assistant's`);
  const answer = messageOf(message, `"${key}"`);
  if (!callsTools(answer)) textOf(answer.content, `"${key}"`);
  return answer;
}
