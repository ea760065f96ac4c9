/** Prompts to answer: what PPO and GRPO sample responses to. */
import type { JsonObject } from '../native/json.ts';
import type { Message } from '../text/chat-template.ts';
import { BadRow, messagesOf, promptOf, type RowOptions, type RowsRead, readRows } from './rows.ts';

export interface Prompt {
  /** File and line. */
  id: string;
  /** Ends with the user's turn. */
  messages: Message[];
  /** The whole row: a reward function finds its own fields there. */
  row: JsonObject;
}

/** Reads rows with `prompt`, or `messages` whose last answer, if there is one, is left out. Throws as readRows does. */
export function readPrompts(path: string, options?: RowOptions): Promise<RowsRead<Prompt>> {
  return readRows(path, (row, id) => ({ id, messages: promptMessages(row), row }), options);
}

function promptMessages(row: JsonObject): Message[] {
  if ('prompt' in row) return promptOf(row.prompt, 'prompt');
  if (!('messages' in row)) throw new BadRow('it has neither prompt nor messages');
  const messages = messagesOf(row.messages, 'messages');
  const last = messages.findLastIndex(({ role }) => role === 'user');
  if (last < 0) throw new BadRow('there is no turn of the user');
  return messages.slice(0, last + 1);
}
