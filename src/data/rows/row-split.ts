/** Training and validation rows, told apart by what they ask: the same prompt never falls on both sides. */
import { createHash } from 'node:crypto';
import { AthanorError } from '../../base/errors.ts';
import type { Message } from '../../text/chat-template.ts';

export interface RowSplit<T> {
  train: T[];
  validation: T[];
}

/**
 * Throws ERR_ARGUMENT when that leaves nothing to train on, as where all rows ask the same.
 * @param promptOf what decides the side; @param fraction of prompts that validate
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
    `nothing is left to train on: all ${rows.length} rows fell to validation, since the same prompt is never on both sides and there are few prompts`,
    'set `validationSplit` to 0, and evaluate on other rows',
  );
}

/** Keeps out so many distinct prompts, or half of them where there are fewer than twice as many. */
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
