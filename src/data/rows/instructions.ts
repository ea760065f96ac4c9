/** Instructions with the answers to learn, in four common formats. */
import type { JsonObject } from '../../base/json.ts';
import type { Message, TemplateInputs } from '../../text/chat-template.ts';
import { kindOf } from '../corpus/json-lines.ts';
import {
  answerOf,
  BadRow,
  has,
  messagesOf,
  promptOf,
  type RowCounts,
  type RowOptions,
  type RowsRead,
  readRows,
  textField,
} from './rows.ts';
import { shareGptMessages } from './share-gpt.ts';
import { INPUT_FIELDS, inputsOf } from './template-inputs.ts';

/** A dialogue to learn from. */
export interface Instruction {
  /** File and line. */
  id: string;
  /** Ends with the assistant's turn. */
  messages: Message[];
  inputs?: TemplateInputs;
}

const fields = [
  ...['messages', 'conversations', 'system', 'prompt', 'completion', 'instruction', 'input', 'output'],
  ...INPUT_FIELDS,
];

/**
 * Reads rows with `messages` (OpenAI), with `conversations` (ShareGPT), with `prompt` and
 * `completion`, or with `instruction`, `input` and `output` (Alpaca). Throws as readRows does.
 */
export function readInstructions(path: string, options?: RowOptions): Promise<RowsRead<Instruction>> {
  return readRows(
    path,
    (row, id, counts) => ({ id, messages: instructionMessages(row, counts), ...inputsOf(row) }),
    options,
    fields,
  );
}

/**
 * Reads questions with their right answers: rows as readInstructions reads them, in which `answer`
 * may stand for `completion`. Throws as readRows does.
 */
export function readAnswers(path: string, options?: RowOptions): Promise<RowsRead<Instruction>> {
  return readRows(
    path,
    (row, id, counts) => ({ id, messages: instructionMessages(completed(row), counts), ...inputsOf(row) }),
    options,
    [...fields, 'answer'],
  );
}

function completed(row: JsonObject): JsonObject {
  const { answer } = row;
  return has(row, 'completion') || answer === undefined ? row : { ...row, completion: answer };
}

function instructionMessages(row: JsonObject, counts: RowCounts): Message[] {
  if (has(row, 'messages')) return endingWithAnswer(messagesOf(row.messages, 'messages'), counts);
  if (has(row, 'conversations')) {
    return endingWithAnswer(messagesOf(shareGptMessages(row), 'conversations'), counts);
  }
  if (has(row, 'prompt')) {
    return [...promptOf(row.prompt, 'prompt'), answerOf(row, 'completion')];
  }
  if (has(row, 'instruction')) {
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

/** Leaves out turns of the user after the last answer, since the model learns nothing from them. */
function endingWithAnswer(messages: Message[], counts: RowCounts): Message[] {
  const last = messages.findLastIndex(({ role }) => role === 'assistant');
  if (last < 0) throw new BadRow('there is no turn of the assistant');
  if (last + 1 < messages.length) counts.change('dialogues cut after their last answer');
  return messages.slice(0, last + 1);
}
