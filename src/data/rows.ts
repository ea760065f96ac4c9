/** Rows of training data in JSONL files: instructions, comparisons and prompts are read through this. */
import { readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { AthanorError, fileError } from '../native/errors.ts';
import type { JsonObject, JsonValue } from '../native/json.ts';
import type { Message } from '../text/chat-template.ts';
import { type DropReason, describeDropped, isBad } from './document.ts';
import { isRecord, jsonLines, kindOf } from './json-lines.ts';

export interface RowOptions {
  /** A line that cannot be used: skip and count it, or stop with an error. Default skip. */
  onBadLine?: 'skip' | 'stop';
}

/** What came of reading: nothing is dropped in silence. */
export class RowCounts {
  /** By reason. */
  readonly dropped: Partial<Record<DropReason, number>> = {};
  /** The first of each reason, as "file:line: why". */
  readonly examples: string[] = [];

  add(reason: DropReason, description: string): void {
    if (!this.dropped[reason]) this.examples.push(description);
    this.dropped[reason] = (this.dropped[reason] ?? 0) + 1;
  }

  /** "3 a tie, 1 not JSON (rows.jsonl:7: …)", or nothing. */
  describe(): string {
    const counts = Object.entries(this.dropped).map(
      ([reason, count]) => `${count} ${reason.replaceAll('_', ' ')}`,
    );
    return counts.length === 0 ? '' : `${counts.join(', ')}; the first of each: ${this.examples.join('; ')}`;
  }
}

export interface RowsRead<T> {
  rows: T[];
  counts: RowCounts;
}

/** Why a row cannot be used; thrown by parsers of rows. */
export class BadRow extends Error {
  constructor(
    message: string,
    readonly reason: DropReason = 'bad_row',
  ) {
    super(message);
  }
}

/**
 * Reads a .jsonl or .jsonl.gz file, or all of a folder. `parse` throws BadRow for a row it cannot use. Throws ERR_FORMAT
 * naming file and line of a bad one with onBadLine 'stop', and when not one row is left.
 */
export async function readRows<T>(
  path: string,
  parse: (row: JsonObject, id: string) => T,
  options: RowOptions = {},
): Promise<RowsRead<T>> {
  const rows: T[] = [];
  const counts = new RowCounts();
  const drop = (id: string, reason: DropReason, detail?: string) => {
    const description = describeDropped({ id, reason, ...(detail !== undefined && { detail }) });
    if (options.onBadLine === 'stop' && isBad(reason)) {
      throw new AthanorError('ERR_FORMAT', description, 'correct the line, or leave out --on-bad-line stop');
    }
    counts.add(reason, description);
  };
  for (const file of rowFiles(path)) {
    for await (const line of jsonLines(file)) {
      if ('dropped' in line) {
        drop(line.dropped.id, line.dropped.reason, line.dropped.detail);
        continue;
      }
      try {
        if (!isRecord(line.value)) throw new BadRow(`it is ${kindOf(line.value)}, not an object`);
        rows.push(parse(line.value, line.id));
      } catch (error) {
        if (!(error instanceof BadRow)) throw error;
        drop(line.id, error.reason, error.message);
      }
    }
  }
  if (rows.length === 0) {
    throw new AthanorError(
      'ERR_FORMAT',
      `${path} has no row that can be used${counts.examples.length > 0 ? `: ${counts.describe()}` : ''}`,
      'see docs/data.md for the formats',
    );
  }
  return { rows, counts };
}

function rowFiles(path: string): string[] {
  try {
    if (!statSync(path).isDirectory()) return [path];
    const names = readdirSync(path).filter((name) => /\.jsonl(\.gz)?$/i.test(name));
    if (names.length === 0) {
      throw new AthanorError(
        'ERR_FILE_MISSING',
        `${path} holds no .jsonl file`,
        'name a file or another folder',
      );
    }
    return names.sort().map((name) => join(path, name));
  } catch (error) {
    throw fileError(error, path);
  }
}

/** A field that must be a text with something in it. */
export function textField(row: JsonObject, key: string): string {
  const value = row[key];
  if (typeof value !== 'string') throw new BadRow(`"${key}" is ${kindOf(value)}, not a text`);
  if (!/\S/.test(value)) throw new BadRow(`"${key}" is empty`, 'empty');
  return value;
}

const roles = ['system', 'user', 'assistant'];

/** A list of { role, content } in an order that a dialogue can have: system first or not at all, then user and assistant by turns. */
export function messagesOf(value: JsonValue | undefined, key: string): Message[] {
  if (!Array.isArray(value)) throw new BadRow(`"${key}" is ${kindOf(value)}, not a list of messages`);
  const messages = value.map((message, i): Message => {
    if (!isRecord(message)) throw new BadRow(`message ${i + 1} is ${kindOf(message)}, not an object`);
    const { role, content } = message;
    if (typeof role !== 'string' || !roles.includes(role)) {
      throw new BadRow(
        `message ${i + 1} has the role ${JSON.stringify(role)}, not one of ${roles.join(', ')}`,
      );
    }
    if (typeof content !== 'string') {
      throw new BadRow(`the content of message ${i + 1} is ${kindOf(content)}, not a text`);
    }
    return { role, content };
  });
  if (messages.length === 0) throw new BadRow(`"${key}" is empty`, 'empty');
  const turns = messages[0]!.role === 'system' ? messages.slice(1) : messages;
  turns.forEach(({ role }, i) => {
    const expected = i % 2 === 0 ? 'user' : 'assistant';
    if (role !== expected) {
      throw new BadRow(`turn ${i + 1} is the ${role}'s where the ${expected}'s is due`);
    }
  });
  return messages;
}

/** A prompt field: a text is what the user says, a list is messages that end with the user's. */
export function promptOf(value: JsonValue | undefined, key: string): Message[] {
  if (typeof value === 'string') {
    if (!/\S/.test(value)) throw new BadRow(`"${key}" is empty`, 'empty');
    return [{ role: 'user', content: value }];
  }
  const messages = messagesOf(value, key);
  if (messages.at(-1)!.role !== 'user') throw new BadRow(`"${key}" does not end with the user's turn`);
  return messages;
}
