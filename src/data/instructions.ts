/** Instructions with the answers to learn, in the three forms that people have them in. */
import type { JsonObject } from '../native/json.ts';
import type { Message } from '../text/chat-template.ts';
import { kindOf } from './json-lines.ts';
import { BadRow, messagesOf, promptOf, type RowOptions, type RowsRead, readRows, textField } from './rows.ts';

export interface Instruction {
  /** File and line. */
  id: string;
  /** Ends with the assistant's turn. */
  messages: Message[];
}

/**
 * Reads rows with `messages` (OpenAI), `prompt` and `completion`, or `instruction`, `input`, `output` (Alpaca).
 * Throws as readRows does.
 */
export function readInstructions(path: string, options?: RowOptions): Promise<RowsRead<Instruction>> {
  return readRows(path, (row, id) => ({ id, messages: instructionMessages(row) }), options);
}

function instructionMessages(row: JsonObject): Message[] {
  if ('messages' in row) return endingWithAnswer(messagesOf(row.messages, 'messages'));
  if ('prompt' in row) {
    const prompt = promptOf(row.prompt, 'prompt');
    return [...prompt, { role: 'assistant', content: completionText(row) }];
  }
  if ('instruction' in row) {
    const instruction = textField(row, 'instruction');
    const input = row.input ?? '';
    if (typeof input !== 'string') throw new BadRow(`"input" is ${kindOf(input)}, not a text`);
    const content = /\S/.test(input) ? `${instruction}\n\n${input}` : instruction;
    return [
      { role: 'user', content },
      { role: 'assistant', content: textField(row, 'output') },
    ];
  }
  const names = Object.keys(row).slice(0, 8).join(', ') || 'nothing';
  throw new BadRow(`it has ${names}; expected messages, or prompt and completion, or instruction and output`);
}

/** A completion is a text, or a list of the one message that is the answer. */
function completionText(row: JsonObject): string {
  const { completion } = row;
  if (!Array.isArray(completion)) return textField(row, 'completion');
  const [message, ...rest] = completion;
  if (rest.length > 0 || typeof message !== 'object' || message === null || Array.isArray(message)) {
    throw new BadRow('"completion" is not one message');
  }
  if (message.role !== 'assistant') throw new BadRow('"completion" is not the assistant\'s');
  return textField(message, 'content');
}

/** Turns of the user's after the last answer teach nothing. */
function endingWithAnswer(messages: Message[]): Message[] {
  const last = messages.findLastIndex(({ role }) => role === 'assistant');
  if (last < 0) throw new BadRow('there is no turn of the assistant');
  return messages.slice(0, last + 1);
}
