/** Prompts, to which PPO and GRPO sample responses. */
import type { JsonObject } from '../../base/json.ts';
import type { ChatTemplate, Message, TemplateInputs } from '../../text/chat-template.ts';
import type { RefusedMessages } from '../../text/refused-messages.ts';
import { encodeRows, type RefusalOptions } from './encoded-rows.ts';
import {
  BadRow,
  has,
  messagesOf,
  promptOf,
  type RowCounts,
  type RowOptions,
  type RowsRead,
  readRows,
} from './rows.ts';
import { inputsOf } from './template-inputs.ts';

/** Messages to answer. */
export interface Prompt {
  /** File and line. */
  id: string;
  /** Ends with the user's turn. */
  messages: Message[];
  inputs?: TemplateInputs;
  /** The whole row, in which a reward function finds its own fields. */
  row: JsonObject;
}

/**
 * Reads rows with `prompt` or with `messages`, of which a last answer is left out. Throws
 * as readRows does.
 */
export function readPrompts(path: string, options?: RowOptions): Promise<RowsRead<Prompt>> {
  return readRows(
    path,
    (row, id, counts) => ({ id, messages: promptMessages(row, counts), ...inputsOf(row), row }),
    options,
  );
}

function promptMessages(row: JsonObject, counts: RowCounts): Message[] {
  if (has(row, 'prompt')) return promptOf(row.prompt, 'prompt');
  if (!has(row, 'messages')) throw new BadRow('it has neither prompt nor messages');
  const messages = messagesOf(row.messages, 'messages');
  const last = messages.findLastIndex(({ role }) => role === 'user' || role === 'tool');
  if (last < 0) throw new BadRow('there is no turn of the user');
  if (last + 1 < messages.length) counts.change('dialogues whose last answer was left out of the prompt');
  return messages.slice(0, last + 1);
}

export interface FittingPrompts {
  fitting: { prompt: Prompt; tokens: Int32Array }[];
  /** Number of prompts that were left out. */
  tooLong: number;
  /** The template's first refusal of a prompt that was left out for it. */
  refusal: RefusedMessages | undefined;
}

/**
 * Encodes prompts. One with more than `maxTokens` tokens is left out and counted, since a cut
 * prompt would ask something else. Throws ERR_CONFIG naming the row when the template refuses it,
 * unless `onBadLine` is skip.
 */
export function fittingPrompts(
  prompts: readonly Prompt[],
  template: ChatTemplate,
  maxTokens: number,
  options: RefusalOptions = {},
): FittingPrompts {
  const encode = (prompt: Prompt) => {
    return { prompt, tokens: template.encodePrompt(prompt.messages, prompt.id, prompt.inputs) };
  };
  const { encoded, refusal } = encodeRows(prompts, encode, options);
  const fitting = encoded.filter(({ tokens }) => tokens.length <= maxTokens);
  return { fitting, tooLong: encoded.length - fitting.length, refusal };
}
