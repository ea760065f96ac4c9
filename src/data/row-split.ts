/** Training and validation rows, told apart by what they ask: the same prompt never falls on both sides. */
import { createHash } from 'node:crypto';
import type { Message } from '../text/chat-template.ts';

/** @param promptOf what decides the side; @param fraction of prompts that validate */
export function splitByPrompt<T>(
  rows: readonly T[],
  promptOf: (row: T) => readonly Message[],
  fraction: number,
  seed: number,
): { train: T[]; validation: T[] } {
  const train: T[] = [];
  const validation: T[] = [];
  for (const row of rows) {
    const digest = createHash('sha256')
      .update(`${seed}\n`)
      .update(JSON.stringify(promptOf(row)))
      .digest();
    (digest.readUInt32LE(0) / 2 ** 32 < fraction ? validation : train).push(row);
  }
  return { train, validation };
}
