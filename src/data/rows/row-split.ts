/**
 * Splits rows into training and validation rows by their prompts. Rows with the same prompt are
 * always on the same side.
 */
import { createHash } from 'node:crypto';
import { AthanorError } from '../../base/errors.ts';
import type { Message } from '../../text/chat-template.ts';

/** Rows by side. */
export interface RowSplit<T> {
  train: T[];
  validation: T[];
}

/**
 * Splits rows by a hash of their prompts. Throws ERR_ARGUMENT when no row is left to train on, for
 * example because all rows have the same prompt.
 * @param promptOf the prompt of a row, which decides its side
 * @param fraction the share of prompts that go to validation
 */
export function splitByPrompt<T>(
  rows: readonly T[],
  promptOf: (row: T) => readonly Message[],
  fraction: number,
  seed: number,
): RowSplit<T> {
  const sides = split(rows, (row) => digest(promptOf(row), seed).readUInt32LE(0) / 2 ** 32 < fraction);
  if (sides.train.length > 0 || rows.length === 0) return sides;
  throw new AthanorError(
    'ERR_ARGUMENT',
    `nothing is left to train on: all ${rows.length} rows are validation data, since there are few prompts and each is on one side only`,
    'set `validationSplit` to 0, and evaluate on other rows',
  );
}

/**
 * Holds out `count` distinct prompts, or half of all prompts where there are fewer than 2 `count`.
 */
export function holdOutPrompts<T>(
  rows: readonly T[],
  promptOf: (row: T) => readonly Message[],
  count: number,
  seed: number,
): RowSplit<T> {
  const place = (row: T) => digest(promptOf(row), seed).toString('hex');
  const places = [...new Set(rows.map(place))].sort();
  const held = new Set(places.slice(0, Math.min(count, Math.floor(places.length / 2))));
  return split(rows, (row) => held.has(place(row)));
}

function split<T>(rows: readonly T[], validates: (row: T) => boolean): RowSplit<T> {
  const train: T[] = [];
  const validation: T[] = [];
  for (const row of rows) (validates(row) ? validation : train).push(row);
  return { train, validation };
}

function digest(prompt: readonly Message[], seed: number): Buffer {
  return createHash('sha256').update(`${seed}\n`).update(JSON.stringify(prompt)).digest();
}
