/** The prompts that gates ask, and the answers to them. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { readPrompts } from '../../data/rows/prompts.ts';
import { folderAnswers, takenBy } from '../../eval/questions.ts';
import type { Message } from '../../text/chat-template.ts';
import type { GateContext } from './gate.ts';

/** The dialogues of files that exist, each once, that both models take; at most `gatePrompts`. */
export async function gatePrompts(
  { served, candidate, rows, settings }: GateContext,
  names: readonly string[],
): Promise<Message[][]> {
  const dialogues = new Map<string, { id: string; dialogue: Message[] }>();
  for (const name of names) {
    const path = join(rows, name);
    if (!existsSync(path)) continue;
    const { rows: prompts } = await readPrompts(path);
    for (const { id, messages } of prompts) {
      const key = JSON.stringify(messages);
      if (!dialogues.has(key)) dialogues.set(key, { id, dialogue: messages });
    }
  }
  if (dialogues.size === 0) return [];
  const taken = takenBy([served, candidate], [...dialogues.values()], { onBadLine: 'skip' });
  const step = Math.max(1, taken.length / settings.gatePrompts);
  const count = Math.min(taken.length, settings.gatePrompts);
  return Array.from({ length: count }, (_, i) => taken[Math.floor(i * step)]!.dialogue);
}

/** Answers of a model folder, one to each dialogue. */
export function gateAnswers(
  folder: string,
  dialogues: readonly Message[][],
  temperature: number,
  { settings, dtype, console }: GateContext,
): Promise<string[]> {
  const { maxTokens, batchSize, seed } = settings;
  const options = { maxTokens, batchSize, seed, temperature, dtype, console, onBadLine: 'skip' } as const;
  return folderAnswers(folder, dialogues, options);
}
