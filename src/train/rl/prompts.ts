/** The prompts of a run as token sequences: those for training and those that are held out. */
import { AthanorError } from '../../base/errors.ts';
import type { JsonObject } from '../../base/json.ts';
import type { RefusalOptions } from '../../data/rows/encoded-rows.ts';
import { fittingPrompts, type Prompt } from '../../data/rows/prompts.ts';
import { holdOutPrompts } from '../../data/rows/row-split.ts';
import type { ChatTemplate } from '../../text/chat-template.ts';

export interface EncodedPrompt {
  /** File and line of the row, for messages. */
  id: string;
  /** The dialogue up to the beginning of the assistant's answer. */
  tokens: Int32Array;
  /** The last user message. */
  text: string;
  /** The whole row of the data, for a reward function. */
  row: JsonObject;
}

/** The prompts of a run. Each is identified by its index in `encoded`. */
export interface PromptSet {
  /** The prompts for training, then those that are held out. */
  encoded: readonly EncodedPrompt[];
  trainingCount: number;
  /** Indices of the prompts that evaluations use and training does not. */
  heldOut: readonly number[];
  /** Number of prompts that were left out because they are too long. */
  tooLong: number;
}

export interface PromptOptions extends RefusalOptions {
  /** File or folder of the prompts, for messages. */
  data: string;
  /** Longest prompt in tokens; longer prompts are left out. */
  maxPromptLength: number;
  /** Number of prompts to hold out. */
  evalPrompts: number;
  seed: number;
}

/** Throws ERR_ARGUMENT if no prompt is left to train on. */
export function encodePrompts(
  rows: readonly Prompt[],
  template: ChatTemplate,
  { data, maxPromptLength, evalPrompts, seed, ...options }: PromptOptions,
): PromptSet {
  const { fitting, tooLong, refusal } = fittingPrompts(rows, template, maxPromptLength, options);
  const split = holdOutPrompts(fitting, ({ prompt }) => prompt.messages, evalPrompts, seed);
  if (split.train.length === 0) {
    if (fitting.length + tooLong === 0 && refusal) throw refusal;
    throw new AthanorError(
      'ERR_ARGUMENT',
      `${data} has no prompt of at most ${maxPromptLength} tokens to train on`,
      'raise `maxPromptLength`, or give more prompts',
    );
  }
  const encoded = [...split.train, ...split.validation].map(
    ({ prompt, tokens }): EncodedPrompt => ({
      id: prompt.id,
      tokens,
      text: prompt.messages.findLast(({ role }) => role === 'user')!.content,
      row: prompt.row,
    }),
  );
  const trainingCount = split.train.length;
  const heldOut = split.validation.map((_, i) => trainingCount + i);
  return { encoded, trainingCount, heldOut, tooLong };
}
