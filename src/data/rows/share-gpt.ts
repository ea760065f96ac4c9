/** Dialogues in the form of ShareGPT: `conversations`, a list of { from, value }. */
import { type JsonObject, type JsonValue, quoted } from '../../base/json.ts';
import { isRecord, kindOf } from '../corpus/json-lines.ts';
import { BadRow, has } from './rows.ts';

/** The names of speakers in the files that people share. */
const roles: ReadonlyMap<string, string> = new Map([
  ['human', 'user'],
  ['user', 'user'],
  ['gpt', 'assistant'],
  ['assistant', 'assistant'],
  ['chatgpt', 'assistant'],
  ['system', 'system'],
  ['tool', 'tool'],
  ['observation', 'tool'],
  ['function_response', 'tool'],
]);

/**
 * The messages of a row as { role, content }, with its `system` first. Other fields of a turn stay.
 * Throws BadRow for a speaker who is not known.
 */
export function shareGptMessages(row: JsonObject): JsonValue {
  const { conversations, system } = row;
  if (!Array.isArray(conversations)) {
    throw new BadRow(`"conversations" is ${kindOf(conversations)}, not a list`);
  }
  const turns = conversations.map((turn, i): JsonValue => {
    if (!isRecord(turn)) throw new BadRow(`turn ${i + 1} is ${kindOf(turn)}, not an object`);
    // Some files have the form of OpenAI under this name.
    if (has(turn, 'role')) return turn;
    const { from, value, ...rest } = turn;
    const role = typeof from === 'string' ? roles.get(from) : undefined;
    if (role === undefined) {
      const known = [...roles.keys()].join(', ');
      throw new BadRow(`turn ${i + 1} is from ${quoted(from ?? null)}, not from one of ${known}`);
    }
    return { ...rest, role, content: value ?? null };
  });
  const isGiven = typeof system === 'string' && /\S/.test(system);
  return isGiven ? [{ role: 'system', content: system }, ...turns] : turns;
}
